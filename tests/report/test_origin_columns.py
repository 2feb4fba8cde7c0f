"""The columns `pretrained` and `teacher` of the table and of the page: what the record of each training says."""

from pathlib import Path

import pytest

from ssr_mmseg.report import page
from ssr_mmseg.report.collect import collect
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import table_networks
from ssr_mmseg.stages.table import network_rows
from ssr_mmseg.utils.files import read_json, write_json

TEXTS = {"pretrained": "yes: weights/r18.pth f37072fd0123 (backbone)", "teacher": "paper_cityscapes f37072fd0123"}


@pytest.fixture
def html(config, results, monkeypatch):
    """A function that renders the page."""
    monkeypatch.setattr(page.vl_convert, "javascript_bundle", lambda snippet, vl_version: "/* vega */")
    return lambda: page.render(collect(config), "config.yaml")


@pytest.mark.parametrize("key", TEXTS)
def test_table_and_page_say_which_training_started_with_more_than_labels(config, html, key):
    text, title = TEXTS[key], f">{key.capitalize()}</button>"
    assert title not in html()
    path = Path(paths.TRAINING.format(dataset="town", seed=0, network="erfnet"))
    write_json(path, {**read_json(path), key: text})
    networks = table_networks(config, "town")
    rows = [row for network in networks for row in network_rows(config, "town", 0, network)]
    assert {row["network"] for row in rows if row[key] == text} == {"erfnet"}
    assert {row[key] for row in rows if row["network"] != "erfnet"} <= {"no", None}
    shown = html()
    assert title in shown
    assert shown.count(text) == sum(row["network"] == "erfnet" for row in rows)
