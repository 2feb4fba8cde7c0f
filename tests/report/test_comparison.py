"""The ablation and the summary over seeds in the report."""

import json
from pathlib import Path

import pytest
from report_files import write_comparisons

from ssr_mmseg.evaluation.statistics import mean_interval
from ssr_mmseg.report import comparison, figures
from ssr_mmseg.report import page as page_module
from ssr_mmseg.report.collect import collect
from ssr_mmseg.settings import paths


@pytest.fixture
def compared(results):
    write_comparisons()
    return results


@pytest.fixture
def html(config, compared, monkeypatch):
    monkeypatch.setattr(page_module.vl_convert, "javascript_bundle", lambda snippet, vl_version: "/* vega */")
    return " ".join(page_module.render(collect(config), "own.yaml").split())


def test_cells_have_means_and_intervals_over_their_seeds(config, compared):
    collected = collect(config)
    assert collected.missing == []
    ssr, none, odd = collected.ablation.cells
    assert (ssr.regularizer, ssr.shrink, ssr.dimensions, ssr.seeds) == ("ssr", "on", "joint", 2)
    assert (ssr.means["gap"], none.means["gap"], odd.means["gap"]) == (3.0, 11.0, 1.0)
    assert ssr.intervals["gap"] == pytest.approx(mean_interval([2.0, 4.0])[1])
    assert odd.intervals["gap"] is None
    assert ssr.means["retrained_miou"] is None


def test_the_chart_has_a_mark_for_every_cell(config, compared):
    chart = comparison.ablation_gaps(collect(config).ablation)
    rows = (
        chart.spec["layer"][0]["data"]["values"] if "data" in chart.spec["layer"][0] else chart.spec["data"]["values"]
    )
    shown = [(row["cell"], row["shrinking"], row["gap"]) for row in rows]
    assert shown[0] == ("ssr · joint", "with shrinking", 3.0)
    assert shown[2] == ("<b>odd</b> · depth", "without shrinking", 1.0)
    assert len(shown) == 3
    assert "Smallest: <b>odd</b> · depth" in chart.alt


def test_the_page_shows_the_conclusion_the_means_and_the_seeds(html):
    assert "<p>Of 2 settings, SSR&#39;s gap is smaller in 1.</p>" in html
    assert "<li>Searching joint with shrinking, it is &lt;b&gt;smaller&lt;/b&gt;.</li>" in html
    assert "<b>odd" not in html
    assert "One-hot mIoU, %" in html
    assert "Retrained mIoU, %" not in html  # nothing was retrained
    assert '<td class="number">50.50 ± 0.71</td> <td class="number">51.00 ± 0.50</td>' in html
    assert '<td class="number">60.25</td> <td class="number">–</td>' in html
    assert '<div class="chart" data-chart="ablation-gaps">' in html


def test_the_figures_include_the_ablation(config, compared, monkeypatch):
    monkeypatch.setattr(figures, "drawings", lambda dataset: [])
    figures.write_figures(config)
    assert "ablation-gap" in json.loads((Path(paths.FIGURES) / "index.json").read_text())["figures"]
    assert Path(paths.FIGURES, "ablation-gap.svg").stat().st_size > 1000


def test_a_variant_is_another_cell(config, compared, monkeypatch):
    path = Path(paths.ABLATION)
    head, *lines = path.read_text().splitlines()
    rows = [f"{head},variant", *(f"{line}," for line in lines), *(f"{line},fast" for line in lines[:1])]
    path.write_text("\n".join(rows) + "\n")
    collected = collect(config)
    cells = collected.ablation.cells
    assert [cell.variant for cell in cells] == ["", "", "", "fast"]
    assert (cells[0].seeds, cells[3].seeds) == (2, 1)
    assert "ssr · joint · fast" in json.dumps(comparison.ablation_gaps(collected.ablation).spec, ensure_ascii=False)
    monkeypatch.setattr(page_module.vl_convert, "javascript_bundle", lambda snippet, vl_version: "/* vega */")
    text = page_module.render(collected, "own.yaml")
    assert '<th scope="col">Variant</th>' in text
    assert "<td>joint</td><td>fast</td>" in text


def test_a_table_without_variants_has_no_column_of_them(html):
    assert "Variant" not in html


@pytest.mark.parametrize("path", [paths.ABLATION, paths.ABLATION_REPORT, paths.SUMMARY])
@pytest.mark.parametrize("text", ["", "dataset\n", "a,b\n1,2\n3\n", "\x00"])
def test_an_unreadable_file_is_reported_as_missing(config, compared, path, text):
    Path(path).write_text(text)
    collected = collect(config)
    assert [str(path) in entry.why for entry in collected.missing] == [True]


def test_a_single_seed_needs_no_summary(config, results):
    collected = collect(config)
    assert (collected.summary, collected.ablation, collected.missing) == ([], None, [])
