"""Charts have a mark for every result, and drawings match the genotype."""

import itertools
import json
import re
import xml.etree.ElementTree as ElementTree

import altair as alt
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from report_files import CLASSES, EPOCHS

from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.report import charts, figures, gate_charts, genotype_drawing, page, search_charts, style
from ssr_mmseg.report.collect import collect
from ssr_mmseg.settings.paths import PROJECT


@pytest.fixture
def datasets(config, results):
    return collect(config).datasets


def values(chart):
    """Return the data of a chart: one list of rows per view, without duplicates."""
    views = [chart.spec, *chart.spec.get("layer", [])]
    tables = []
    for rows in (view["data"]["values"] for view in views if "data" in view):
        if rows not in tables:
            tables.append(rows)
    return tables


points = st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 100)), min_size=1, max_size=12)


@given(points)
def test_the_pareto_front_is_the_set_of_points_that_none_dominates(drawn):
    def dominated(point):
        return any(o != point and o[0] <= point[0] and o[1] >= point[1] for o in drawn)

    assert set(charts.pareto_front(drawn)) == {point for point in drawn if not dominated(point)}


def test_accuracy_against_latency_has_a_point_for_every_network_and_published_row(datasets):
    town, yard = (charts.accuracy_latency(dataset) for dataset in datasets)
    assert any(
        {row["network"] for row in rows} == {"searched", "random", "erfnet"}
        for rows in values(town)
        if "network" in rows[0]
    )
    assert not any(row.get("kind") == charts.PUBLISHED for rows in values(town) for row in rows)
    published = {row["network"] for rows in values(yard) for row in rows if row.get("kind") == charts.PUBLISHED}
    assert published == {row["model"] for row in datasets[1].published if row["latency_ms"]}
    assert "published" in yard.caption
    assert "other machines" in yard.caption


def test_names_of_close_points_go_to_different_sides_or_are_left_out():
    close = [(10.0, 60.0), (10.2, 59.0), (90.0, 20.0), (900.0, 95.0), (10.0, 20.0)]
    named = [{"network": "a name", "latency": latency, "mIoU": miou} for latency, miou in close]
    crowd = [{"network": "other", "latency": 10.1, "mIoU": 59.5}]
    charts.place_names(named, crowd)
    assert [point["side"] for point in named] == ["above", "below", "above", "above", "above"]
    assert crowd[0]["side"] == "none"


def test_class_iou_has_a_mark_for_every_class_and_network(datasets):
    (rows,) = values(charts.class_iou(datasets[0]))
    assert {(row["class"], row["network"]) for row in rows} == {
        (name, network) for name in CLASSES for network in ("searched", "random", "erfnet")
    }


def test_a_network_keeps_its_color_when_another_is_missing(datasets):
    town = datasets[0]
    before = charts.class_iou(town).spec
    town.networks[0].evaluation = None
    after = charts.class_iou(town).spec
    assert [layer["encoding"].get("color", {}).get("scale") for layer in before["layer"]] == [
        layer["encoding"].get("color", {}).get("scale") for layer in after["layer"]
    ]


def test_gate_charts_show_every_epoch_until_a_block_is_dropped(datasets):
    search = datasets[0].searches[0]
    (rows,) = values(gate_charts.leading_option(search, "operator"))
    epochs = {name: {row["epoch"] for row in rows if row["group"] == name} for name in ("1.1", "2.3")}
    assert epochs == {"1.1": set(range(1, 3 * EPOCHS + 1)), "2.3": set(range(1, 5))}
    assert {row["leading"] for row in rows} == {"d 1"}
    by_block = gate_charts.operator_probabilities(search)
    assert [chart.title for chart in by_block] == [f"Block {name}" for name in ("1.1", "1.2", "2.1", "2.2", "2.3")]
    assert "Dropped" in by_block[-1].caption


def test_probabilities_of_another_space_are_not_drawn(datasets):
    search = datasets[0].searches[0]
    for record in search_charts.history(search):
        record["probabilities"]["operator"].pop()
    assert gate_charts.leading_option(search, "operator") is None
    assert gate_charts.operator_probabilities(search) == []
    assert gate_charts.leading_option(search, "depth") is not None


def test_boundaries_gap_and_cost_are_shown_for_each_stage(datasets):
    search = datasets[0].searches[0]
    ends = [{"epoch": 3, "name": "search"}, {"epoch": 6, "name": "1"}, {"epoch": 9, "name": "2"}]
    assert search_charts.stage_ends(search) == ends
    assert ends in values(search_charts.options_alive(search))
    gap = search_charts.discretization_gap(search, retrained=55.0)
    (gaps,) = [rows for rows in values(gap) if "gap" in rows[0]]
    assert [row["gap"] for row in gaps] == [20.0, 15.0, 10.0]
    assert "55.00" in gap.alt
    assert [len(rows) for chart in search_charts.search_cost(search) for rows in values(chart)] == [3, 3, 3]


def test_without_stages_there_are_no_search_charts(datasets):
    town, search = datasets[0], datasets[0].searches[0]
    search.stages.clear()
    assert figures.search_figures(town, search) == []


def test_figures_are_drawn_on_white_without_a_color_variable(datasets):
    drawn = list(itertools.islice(figures.drawings(datasets[1]), 6))
    assert len({name for name, _, _ in drawn}) == 6
    for name, _, svg in drawn:
        assert "var(" not in svg, name
        ElementTree.fromstring(svg)


def test_specifications_are_valid_vega_lite(datasets):
    dataset, search = datasets[1], datasets[1].searches[0]
    for chart in (
        charts.accuracy_latency(dataset),
        charts.class_iou(dataset),
        search_charts.options_alive(search),
        search_charts.discretization_gap(search, 50.0),
        search_charts.search_cost(search)[0],
        gate_charts.leading_option(search, "depth"),
    ):
        for rows in values(chart):
            del rows[1:]  # checking every row takes long
        alt.Chart.from_dict(chart.spec)


def test_every_figure_has_a_text_alternative(datasets):
    for dataset in datasets:
        for chart in figures.search_figures(dataset, dataset.searches[0]):
            assert chart.spec["description"] == chart.alt
            assert len(chart.alt) > 20
            assert chart.caption


GENOTYPE = Genotype(
    (
        Stage(32, (Block(1, 1, 32, 16),)),
        Stage(64, (Block(16, 2, 48, 64), Block(4, 1, 64, 64))),
    )
)


def test_a_drawing_describes_every_block_and_the_dropped_ones():
    first, second = genotype_drawing.stage_blocks(GENOTYPE, [3, 2])
    assert "1 of 3 blocks kept" in first["heading"]
    assert [block["text"] for block in first["blocks"]] == [
        "Block 1: dilation 1, full resolution, mid width 32 and out width 16 of 32",
        "Block 2: dropped",
        "Block 3: dropped",
    ]
    assert "1/2 resolution" in second["blocks"][0]["text"]
    assert len(second["blocks"]) == 2


def test_bars_are_as_high_as_the_widths_and_crosses_as_wide_as_the_dilation():
    def bars(block):
        svg = genotype_drawing.block_drawing(block, 64)
        return [
            float(height)
            for height in re.findall(r'width="26" height="([\d.]+)" rx="2" fill="var\(--(?:blue|verm)', svg)
        ]

    assert bars(Block(1, 1, 32, 64)) == [genotype_drawing.BAR / 2, genotype_drawing.BAR]
    reach = [
        float(re.search(r"h([\d.]+)M", genotype_drawing.block_drawing(Block(dilation, 1, 64, 64), 64))[1])
        for dilation in (1, 2, 4, 8, 16)
    ]
    assert reach == sorted(set(reach))
    assert reach[-1] < genotype_drawing.WIDTH


def test_the_drawing_of_the_papers_genotype_is_well_formed():
    paper = Genotype.read(PROJECT / "config/genotypes/paper_cityscapes.json")
    svg = genotype_drawing.genotype_svg("The paper's", paper, [0, 0])
    assert len(ElementTree.fromstring(svg).findall("{http://www.w3.org/2000/svg}g")) == 4 + 9
    assert vl_convert.svg_to_png(svg).startswith(b"\x89PNG")


def test_the_page_and_the_figures_define_the_same_roles():
    css = (page.ASSETS / "page.css").read_text(encoding="utf-8")
    assert set(style.ROLES) <= set(re.findall(r"--([a-z]+):", css))
    spec = {"config": {"a": style.role("ink")}}
    assert json.loads(style.on_paper(json.dumps(spec))) == {"config": {"a": style.ROLES["ink"]}}
