import csv
import errno
import os
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.stages.table import COLUMNS, write_table
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError

FILLED = ["dataset", "network", "kind", "seed", "train_split", "pretrained", "classes", "input_size", "params", "macs"]
ACCURACY = ["miou_val", "miou_test", "miou_exported", "pixel_accuracy"]
SEARCH = ["search_hours", "search_peak_gb", "discretization_gap", "gates_decided"]


DOUBTS = ["sky has no pixel", "val is small"]


@pytest.fixture
def config():
    town = {"type": "streets", "size": [64, 128], "train_split": "train+val"}
    return settings.complete(
        {
            "datasets": {"town": town, "village": town},
            "networks": ["searched", "erfnet"],
            "seeds": [0, 7],
        }
    )


@pytest.fixture
def results(config, tmp_path, monkeypatch):
    """A working directory with every result that the table of `config` joins; the village has no test labels."""
    monkeypatch.chdir(tmp_path)
    for dataset in config["datasets"]:
        manifest = {"classes": ["road", "car", "sky"], "warnings": DOUBTS if dataset == "village" else []}
        files.write_json(Path(paths.MANIFEST.format(dataset=dataset)), manifest)
        for seed in config["seeds"]:
            end = {
                "gap": 4.0 if dataset == "town" else 10.0,
                "gates_decided": 0.98765,
                "groups": {"operator": {"exist": 9, "decided": 8}},
                "relaxed_miou": 44.0,
                "one_hot_miou": 40.0,
            }
            gap = {"hours": 0.875, "peak_gb": 3.00004, "end": end}
            files.write_json(Path(paths.GAP.format(dataset=dataset, seed=seed)), gap)
            for network in config["networks"]:
                write_network(dataset, seed, network)
    return tmp_path


def write_network(dataset, seed, network):
    names = {"dataset": dataset, "seed": seed, "network": network}
    training = {
        "kind": project_files.network_kind(network),
        "train_split": "train+val",
        "pretrained": "no",
        "hours": 0.111111,
        "provenance": {"commit": "abc"},
    }
    good, bad = ({"road": 30.0, "car": iou, "sky": None} for iou in (20.0, 0.0))
    test = {"miou": 41.237, "pixel_accuracy": 81.0, "iou": good} if dataset == "town" else None
    iou = bad if network == "erfnet" else good
    val = {"miou": 44.5 + seed, "pixel_accuracy": 84.0, "iou": iou}
    exported = {
        split: part and {**part, "miou": part["miou"] - 0.111} for split, part in (("val", val), ("test", test))
    }
    evaluation = {"val": val, "test": test, "exported": {"size": [64, 128], **exported}, "export_problem": None}
    cost = {"params": 10, "macs": 10**10, "device": "CPU, with a comma", "backend": "eager", "precision": "fp32"}
    timing = {"fps": 8.0, "latency_ms_p50": 125.0, "latency_ms_p95": 130.0}
    records = [{"size": size, **cost, **timing} for size in ([64, 128], [512, 1024])]
    files.write_json(Path(paths.TRAINING.format(**names)), training)
    files.write_json(Path(paths.EVALUATION.format(**names)), evaluation)
    files.write_json(Path(paths.PROFILE.format(**names)), {"records": records})


def read_table():
    with open(paths.TABLE, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row(dataset, network, seed, size):
    wanted = {"dataset": dataset, "network": network, "seed": str(seed), "input_size": size}
    (match,) = [row for row in read_table() if wanted.items() <= row.items()]
    return match


def test_one_row_per_dataset_network_seed_and_size(config, results):
    write_table(config)
    keys = [(row["dataset"], row["network"], row["seed"], row["input_size"]) for row in read_table()]
    assert len(keys) == len(set(keys)) == 2 * 2 * 2 * 2
    assert tuple(read_table()[0]) == COLUMNS


def test_doubtful_results_have_a_warning(config, results):
    write_table(config)
    undecided = "1 of 9 gate groups undecided; one-hot gates lose 4.0 points of mIoU"
    assert row("town", "searched", 0, "64x128")["warnings"] == undecided
    assert row("town", "searched", 0, "512x1024")["warnings"] == undecided
    assert row("town", "erfnet", 0, "64x128")["warnings"] == "", "only one class is recognized on val, but not on test"
    assert row("village", "erfnet", 0, "64x128")["warnings"] == "sky has no pixel; val is small; recognizes road only"


def test_a_latency_that_did_not_settle_has_a_warning_in_its_row(config, results):
    path = Path(paths.PROFILE.format(dataset="town", seed=0, network="erfnet"))
    profile = files.read_json(path)
    profile["records"][1]["settled"] = False
    files.write_json(path, profile)
    write_table(config)
    assert row("town", "erfnet", 0, "64x128")["warnings"] == ""
    assert row("town", "erfnet", 0, "512x1024")["warnings"] == "the latency did not settle"


def test_columns_come_from_the_stages(config, results):
    write_table(config)
    searched = row("town", "searched", 7, "64x128")
    assert [searched[key] for key in FILLED] == [
        *("town", "searched", "searched", "7", "train+val", "no", "3", "64x128", "10", "10000000000"),
    ]
    assert [searched[key] for key in ACCURACY] == ["51.5", "41.24", "41.13", "81.0"]
    assert (searched["train_hours"], searched["commit"]) == ("0.11111", "abc")
    assert (searched["fps"], searched["latency_ms_p50"], searched["latency_ms_p95"]) == ("8.0", "125.0", "130.0")
    assert (searched["device"], searched["backend"], searched["precision"]) == ("CPU, with a comma", "eager", "fp32")


def test_hours_memory_and_gap_of_a_search_come_from_its_gap_report(config, results):
    write_table(config)
    town, village = (row(dataset, "searched", 0, "64x128") for dataset in ("town", "village"))
    assert [town[key] for key in SEARCH] == ["0.875", "3.0", "4.0", "0.9877"]
    assert [village[key] for key in SEARCH] == ["0.875", "3.0", "10.0", "0.9877"]


def test_only_a_searched_network_has_the_columns_of_a_search(config, results):
    write_table(config)
    erfnet = row("town", "erfnet", 0, "64x128")
    assert erfnet["kind"] == "baseline"
    assert [erfnet[key] for key in SEARCH] == [""] * len(SEARCH)


def test_accuracy_is_shown_only_at_the_size_it_was_measured_at(config, results):
    write_table(config)
    other = row("town", "searched", 0, "512x1024")
    assert [other[key] for key in ACCURACY] == [""] * len(ACCURACY)
    assert other["fps"] == "8.0"


def test_without_test_labels_accuracy_is_that_of_val(config, results):
    write_table(config)
    assert [row("village", "erfnet", 0, "64x128")[key] for key in ACCURACY] == ["44.5", "", "44.39", "84.0"]


def test_an_unknown_gap_stays_empty(config, results):
    unknown = {"groups": {}, "relaxed_miou": None, "one_hot_miou": None}
    path = Path(paths.GAP.format(dataset="town", seed=0))
    files.write_json(path, {**files.read_json(path), "end": {"gap": None, "gates_decided": 1.0, **unknown}})
    write_table(config)
    assert row("town", "searched", 0, "64x128")["discretization_gap"] == ""


@pytest.mark.parametrize("pattern", [paths.MANIFEST, paths.TRAINING, paths.EVALUATION, paths.PROFILE])
def test_a_missing_result_is_named_with_its_command_and_the_old_table_stays(config, results, pattern):
    files.write_text(Path(paths.TABLE), "old\n")
    missing = pattern.format(dataset="town", seed=7, network="erfnet")
    Path(missing).unlink()
    with pytest.raises(UserError, match=f"{missing} is missing; make it with: snakemake --cores all {missing}"):
        write_table(config)
    assert Path(paths.TABLE).read_text() == "old\n"


def test_a_missing_gap_report_is_named(config, results):
    path = Path(paths.GAP.format(dataset="town", seed=7))
    path.unlink()
    with pytest.raises(UserError, match=f"{path} is missing"):
        write_table(config)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        (paths.PROFILE, []),
        (paths.PROFILE, {"records": 5}),
        (paths.PROFILE, {"records": [{"size": [64, 128, 3]}]}),
        (paths.PROFILE, {"records": [{"fps": "fast"}]}),
        (paths.EVALUATION, {"val": {"miou": "high"}}),
        (paths.TRAINING, {"hours": True}),
        (paths.TRAINING, {"kind": '=HYPERLINK("https://example.org")'}),  # a spreadsheet would run it
        (paths.TRAINING, {"device": "\x1b[2J"}),
        (paths.GAP, {"end": []}),
        (paths.MANIFEST, {"classes": 3}),
    ],
)
def test_a_value_that_violates_its_schema_is_one_line(config, results, pattern, value):
    path = pattern.format(dataset="town", seed=7, network="searched")
    before = files.read_json(Path(path))
    files.write_json(Path(path), {**before, **value} if isinstance(value, dict) else value)
    with pytest.raises(UserError, match=f"{path} is not as expected: .*; delete it and make it again with: snakemake"):
        write_table(config)
    assert not Path(paths.TABLE).exists()


@pytest.mark.parametrize(
    ("pattern", "value", "key"),
    [
        (paths.TRAINING, {"kind": "baseline"}, "train_split"),
        (paths.EVALUATION, {"val": None, "test": None}, "iou"),
        (paths.PROFILE, {}, "records"),
        (paths.PROFILE, {"records": [{"size": [64, 128]}]}, "params"),
    ],
)
def test_a_missing_key_is_one_line(config, results, pattern, value, key):
    path = pattern.format(dataset="town", seed=7, network="erfnet")
    files.write_json(Path(path), value)
    with pytest.raises(UserError, match=f"{path} has no '{key}'"):
        write_table(config)
    assert not Path(paths.TABLE).exists()


def test_a_full_disk_leaves_the_old_table(config, results, monkeypatch):
    files.write_text(Path(paths.TABLE), "old\n")

    def full_disk(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(UserError, match=r"could not write results/table\.csv: No space left"):
        write_table(config)
    assert Path(paths.TABLE).read_text() == "old\n"
    assert [path.name for path in Path("results").glob(".table*")] == []
