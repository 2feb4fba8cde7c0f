"""Collected results, and entries for missing and malformed ones."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from report_files import PROVENANCE

from ssr_mmseg.report.collect import collect, published
from ssr_mmseg.report.origins import provenance
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import table_networks
from ssr_mmseg.stages.table import COLUMNS, network_rows

ERFNET = {"dataset": "town", "seed": 0, "network": "erfnet"}


def test_complete_results_leave_nothing_missing(config, results):
    collected = collect(config)
    assert collected.missing == []
    assert [len(search.stages) for dataset in collected.datasets for search in dataset.searches] == [3, 3]
    assert [dataset.split for dataset in collected.datasets] == ["test", "val"]


def test_the_rows_are_those_of_the_table(config, results):
    expected = [
        row
        for name in config["datasets"]
        for network in table_networks(config, name)
        for row in network_rows(config, name, 0, network)
    ]
    rows = collect(config).rows
    assert len(rows) == len(expected) == 2 * 3 * 2
    for row, wanted in zip(rows, expected, strict=True):
        assert row["input_size"].replace("×", "x") == wanted["input_size"]
        same = set(row) & set(COLUMNS) - {"input_size"}
        assert {key: row[key] for key in same} == {key: wanted.get(key) for key in same}
        assert {"miou_val", "miou_test", "pixel_accuracy", "latency_ms_p50", "macs"} <= same


def test_without_any_result_everything_is_missing_and_nothing_raises(config, empty):
    collected = collect(config)
    assert len(collected.missing) == collected.expected > 0
    assert not any(entry.begun for entry in collected.missing)
    assert len(collected.rows) == 6
    assert {row["miou_val"] for row in collected.rows} == {None}


def test_a_failed_stage_is_reported_with_the_end_of_its_log(config, results):
    Path(paths.TRAINING.format(**ERFNET)).unlink()
    log = Path(paths.LOG.format(job="retrain/town-seed0-erfnet"))
    log.parent.mkdir(parents=True)
    log.write_text("loading\nssr-mmseg: batch_size is 8 but there are only 4 images\nCommand exited\n")
    (entry,) = collect(config).missing
    assert entry.begun
    assert "batch_size is 8 but there are only 4 images" in entry.why
    assert entry.what == "training of erfnet on town, seed 0"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "null", '{"val": 3, "test": {}}', '{"val": {"miou": "high"}}', "\x00"]
)
@pytest.mark.parametrize(
    "pattern",
    [paths.MANIFEST, paths.EVALUATION, paths.TRAINING, paths.PROFILE, paths.GENOTYPE, paths.SEARCH_METRICS],
)
def test_a_malformed_result_is_missing_and_the_rest_is_kept(config, results, pattern, content):
    path = Path(pattern.format(**ERFNET))
    path.write_text(content)
    collected = collect(config)
    (entry,) = collected.missing
    assert str(path) in entry.why
    assert len(collected.rows) == (12 if pattern != paths.PROFILE else 11)


@pytest.mark.parametrize("size", ["[128]", "[64, 128, 0.5]"])
def test_a_malformed_size_is_rejected(config, results, size):
    path = Path(paths.PROFILE.format(**ERFNET))
    value = json.loads(path.read_text())
    value["records"][0]["size"] = json.loads(size)
    path.write_text(json.dumps(value))
    assert [entry.what for entry in collect(config).missing] == ["profile of erfnet on town, seed 0"]


def test_values_that_are_not_finite_numbers_are_rejected(config, results):
    path = Path(paths.EVALUATION.format(**ERFNET))
    for value in ("NaN", "Infinity", "true", '"60"'):
        path.write_text(path.read_text().replace("60.0", value, 1))
        assert [entry.what for entry in collect(config).missing] == ["evaluation of erfnet on town, seed 0"]
        path.write_text(path.read_text().replace(value, "60.0", 1))
    assert collect(config).missing == []


def test_a_configuration_without_a_search_expects_none(config, empty):
    collected = collect({**config, "networks": ["erfnet"]})
    assert [dataset.searches for dataset in collected.datasets] == [[], []]
    assert {entry.what.split()[0] for entry in collected.missing} == {"dataset", "training", "evaluation", "profile"}


def test_published_rows_have_a_source_and_belong_to_their_type_of_data():
    for dataset_type in ("camvid", "cityscapes"):
        rows = published(dataset_type)
        assert rows
        assert all(row["source"] and row["model"] and 40 < row["miou"] < 90 for row in rows)
        for row in rows:
            assert (row["latency_ms"] is None) == (row["fps"] is None)
            assert row["fps"] is None or row["latency_ms"] == pytest.approx(1000 / row["fps"])
    assert published("streets") == []


def test_provenance_collects_commits_hours_and_devices(config, results):
    path = Path(paths.TRAINING.format(**ERFNET))
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "provenance": {**PROVENANCE, "commit": "fedcba987654+"}}))
    origin = provenance(collect(config))
    assert origin["commits"] == ["0123456789ab", "fedcba987654+"]
    assert origin["search_hours"] == pytest.approx(2 * 1.2)
    assert origin["train_hours"] == pytest.approx(6 * 0.25)
    assert origin["devices"] == ["a CPU"]


def test_provenance_lists_the_weights_of_evaluations_that_record_them(config, results):
    path = Path(paths.EVALUATION.format(**ERFNET))
    value = json.loads(path.read_text())
    weights = provenance(collect(config))["weights"]
    assert len(weights) == 6
    assert {"dataset": "town", "network": "erfnet", "seed": 0, **value.pop("weights")} in weights
    path.write_text(json.dumps({**value, "weights": {"bytes": None, "sha256": ""}}))
    assert {row["bytes"] for row in provenance(collect(config))["weights"]} == {0, 3_900_000}, "the page divides it"
    path.write_text(json.dumps(value))  # an evaluation by an older version
    assert len(provenance(collect(config))["weights"]) == 5


def test_predictions_may_be_missing(config, results):
    shutil.rmtree(Path(paths.PREDICTIONS.format(**ERFNET)))
    collected = collect(config)
    assert [len(network.frames) for network in collected.datasets[0].networks] == [2, 2, 0]
    assert collected.missing == []


def test_the_published_files_are_plain_tables():
    for path in (paths.PROJECT / "ssr_mmseg/report/published").glob("*.csv"):
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert all(None not in row and None not in row.values() for row in rows)
