"""The page and the figure files: complete, escaped, and usable with partial results."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from report_files import NASTY, write_results

from ssr_mmseg.cli import main
from ssr_mmseg.report import page as page_module
from ssr_mmseg.report import predictions, write_figures, write_report
from ssr_mmseg.report.collect import collect
from ssr_mmseg.settings import paths

CONFIG_PATH = "my <b>experiments</b>/town.yaml"


@pytest.fixture(autouse=True)
def short_script(monkeypatch):
    """Replace the script, which takes seconds to bundle; the browser test uses the real one."""
    monkeypatch.setattr(page_module.vl_convert, "javascript_bundle", lambda snippet, vl_version: "/* vega */")


class Page(HTMLParser):
    """The tags, addresses and text of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.addresses, self.text = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action", "srcset")]

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def complete(config, tmp_path_factory):
    """The page of complete results, as HTML and as a `Page`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("complete"))
        patch.setattr(page_module.vl_convert, "javascript_bundle", lambda snippet, vl_version: "/* vega */")
        write_results(config)
        return render(config)


def render(config):
    write_report(config, CONFIG_PATH)
    html = Path(paths.REPORT).read_text(encoding="utf-8")
    return html, Page(html)


def specs(html):
    return json.loads(re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)[1])


def test_the_page_is_self_contained(complete):
    _, page = complete
    assert page.addresses
    assert all(address.startswith(("#", "data:")) for address in page.addresses)


def test_charts_and_their_containers_match(complete):
    html, _ = complete
    places = re.findall(r'data-chart="([^"]+)"', html)
    assert len(places) == len(set(places)) > 30
    assert set(places) == set(specs(html))


def test_names_and_paths_cannot_become_markup(complete):
    html, page = complete
    assert NASTY not in html
    assert "b" not in page.tags
    assert "i" in page.tags  # the color key of the page itself
    assert "<i>yard" not in html
    text = "".join(page.text)
    assert NASTY in text
    assert CONFIG_PATH in text
    assert "data/<i>yard</i>" in text


def test_without_results_the_page_says_so(config, empty):
    html, page = render(config)
    text = " ".join("".join(page.text).split())
    assert "0 of 32 results are available" in text
    assert "Not run yet: dataset town" in text
    assert specs(html) == {}
    assert text.count("Not available:") >= 2 * 6
    assert Image.open(paths.PREDICTION_SHEET).size[1] < 200


def test_results_that_should_not_be_trusted_come_first(complete):
    text = re.sub(r"\s+", " ", " ".join(complete[1].text))
    assert "Results that should not be trusted" in text
    assert "the search ended with 1 of 4 gate groups undecided and one-hot gates lose 10.0 points of mIoU; " in text


def test_partial_results_are_shown(config, results):
    for name in ("seed0/shrink2", "seed0/discretize", "seed0/retrain/searched", "seed0/evaluate"):
        shutil.rmtree(f"results/town/{name}")
    Path("results/yard/prepare/dataset.json").write_text("{")
    html, page = render(config)
    text = "".join(page.text)
    assert "training of searched on town, seed 0" in text
    assert "is not valid JSON" in text
    assert "no network has been both evaluated and profiled on this dataset yet" in text
    assert "d1-s1-options-alive" in specs(html)
    assert "d2-accuracy" in specs(html)


def profile_of(network):
    return Path(f"results/town/seed0/profile/{network}/profile.json")


def test_latencies_that_did_not_settle_are_neither_shown_nor_drawn(config, results):
    value = json.loads(profile_of("erfnet").read_text())
    for record in value["records"]:
        record |= {"settled": False, "latency_ms_p50": 123.456, "latency_ms_p95": 234.567}
    profile_of("erfnet").write_text(json.dumps(value))
    html, page = render(config)
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert "123.4" not in text
    assert "234.5" not in text
    drawn = json.dumps(specs(html)["d1-accuracy"])
    assert '"random"' in drawn
    assert "123.4" not in drawn
    assert "Not drawn: erfnet, not evaluated, or with a latency that did not settle." in text


@pytest.mark.parametrize("recommended", ["erfnet", None])
def test_the_recommended_network_is_the_first_headline(config, results, recommended):
    networks = [{"network": "erfnet", "latency_ms": {"p50": 1.234, "p95": 2, "settled": True}}]
    value = {"recommended": recommended, "backend": "onnxruntime", "networks": networks}
    Path(paths.RECOMMENDATION).parent.mkdir(parents=True)
    Path(paths.RECOMMENDATION).write_text(json.dumps(value))
    text = re.sub(r"\s+", " ", " ".join(render(config)[1].text))
    assert ("Recommended: erfnet" in text) == (recommended is not None)
    assert ("1.23 ms" in text) == (recommended is not None)


@pytest.mark.parametrize("networks", [["erfnet"], ["searched"], ["random"]])
def test_a_page_with_one_kind_of_network(config, results, networks):
    html, page = render({**config, "networks": networks, "datasets": {"town": config["datasets"]["town"]}})
    assert "Missing results" not in "".join(page.text)
    assert bool([name for name in specs(html) if "-s1-" in name]) == (networks != ["erfnet"])


def test_a_picture_that_cannot_be_read_is_left_out(config, results):
    path = Path(paths.PREDICTIONS.format(dataset="town", seed=0, network="erfnet")) / "test_0000.png"
    path.write_bytes(path.read_bytes()[:60])
    (frame,) = predictions.pictures(collect(config).datasets[0])
    assert [picture.network for picture in frame["pictures"]] == ["searched", "random"]
    render(config)


def test_large_pictures_are_scaled_down_and_frames_limited(config, empty):
    folder = Path(paths.PREDICTIONS.format(dataset="town", seed=0, network="erfnet"))
    folder.mkdir(parents=True)
    for number in range(9):
        Image.new("RGB", (3 * 2048, 1024)).save(folder / f"val_{number:04d}.png")
    town = collect(config).datasets[0]
    assert predictions.shown_frames(town) == ["val_0000", "val_0004", "val_0008"]
    pictures = [picture for frame in predictions.pictures(town) for picture in frame["pictures"]]
    assert {(picture.width, picture.height) for picture in pictures} == {(predictions.PANEL, predictions.PANEL // 2)}


def test_commands_cover_every_stage_once_and_quote_paths(config, results):
    lines = list(page_module.commands(config, "a b.yaml"))
    assert len(lines) == len(set(lines)) == 2 * (1 + 1 + 2 + 1 + 1 + 3 * 3 + 1) + 3
    assert all("--config 'a b.yaml'" in line for line in lines)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0"), (999, "999"), (1_020_000, "1.02 M"), (10.9e9, "10.9 G"), (144_000, "144 k")],
)
def test_quantities(value, text):
    assert page_module.quantity(value) == text


@pytest.mark.parametrize(("hours", "text"), [(None, ""), (0.001, "4 s"), (0.5, "30.0 min"), (7.25, "7.2 h")])
def test_durations(hours, text):
    assert page_module.duration(hours) == text


def test_new_figures_replace_all_old_ones(config, results):
    stale = Path(paths.FIGURES) / "stale.svg"
    stale.parent.mkdir(parents=True)
    stale.write_text("old")
    one = {**config, "networks": ["erfnet"], "datasets": {"town": config["datasets"]["town"]}}
    write_figures(one)
    index = json.loads((stale.parent / "index.json").read_text())
    names = {path.stem for path in stale.parent.iterdir()} - {"index"}
    assert (
        names
        == set(index["figures"])
        == {
            "genotype-paper",
            "town-accuracy-latency",
            "town-class-iou",
            "town-retraining-loss",
            "town-predictions",
        }
    )
    assert index["not available"] == []
    assert [path.name for path in stale.parent.parent.glob(".figures*")] == []
    for name in names - {"town-predictions"}:
        assert (stale.parent / f"{name}.svg").stat().st_size > 1000
        assert Image.open(stale.parent / f"{name}.png").width > 1000


def test_without_results_the_figure_index_lists_what_is_missing(config, empty):
    write_figures(config)
    index = json.loads((Path(paths.FIGURES) / "index.json").read_text())
    assert set(index["figures"]) == {"genotype-paper"}
    assert len(index["not available"]) == 32


def test_the_command_line_writes_the_page(empty, capsys):
    Path("own.yaml").write_text("datasets: {mine: {type: streets, size: [64, 64]}}\n")
    assert main(["report", "--config", "own.yaml"]) == 0
    assert "mine" in Path(paths.REPORT).read_text(encoding="utf-8")
    shutil.rmtree("results")
    Path("results").write_text("in the way")
    assert main(["report", "--config", "own.yaml"]) == 2
    assert main(["figures", "--config", "own.yaml"]) == 2
    assert capsys.readouterr().err.count("ssr-mmseg: could not write") == 2
