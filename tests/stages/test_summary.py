import csv
import errno
import os
import statistics
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.stages.summary import COLUMNS, chosen_seed, write_summary
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError

SEEDS = [0, 3, 7]
VAL = {"searched": [44.5, 40.25, 47.0], "erfnet": [41.0, 41.5, 39.0]}
TEST = {"searched": [40.0, 39.5, 41.75], "erfnet": [38.0, 37.0, 39.0]}


@pytest.fixture
def config():
    streets = {"type": "streets", "size": [64, 128]}
    return settings.complete(
        {"datasets": {"town": streets, "village": streets}, "networks": ["searched", "erfnet"], "seeds": SEEDS}
    )


@pytest.fixture
def results(config, tmp_path, monkeypatch):
    """A working directory with every result of `config`; the village has no test labels."""
    monkeypatch.chdir(tmp_path)
    for dataset in config["datasets"]:
        files.write_json(Path(paths.MANIFEST.format(dataset=dataset)), {"classes": ["road", "car"], "warnings": []})
        for index, seed in enumerate(SEEDS):
            write_search(dataset, seed, [50.0, 52.5, 51.0][index])
            for network in config["networks"]:
                write_network(dataset, seed, network, index)


def write_search(dataset, seed, one_hot_miou):
    end = {"gap": 1.0, "gates_decided": 1.0, "groups": {}, "relaxed_miou": 60.0, "one_hot_miou": one_hot_miou}
    gap = {"hours": 1.0, "peak_gb": 1.0, "end": end}
    files.write_json(Path(paths.GAP.format(dataset=dataset, seed=seed)), gap)


def write_network(dataset, seed, network, index):
    names = {"dataset": dataset, "seed": seed, "network": network}
    kind = project_files.network_kind(network)
    training = {"kind": kind, "train_split": "train", "pretrained": "no", "hours": 1.0, "provenance": {"commit": ""}}
    iou = {"road": 70.0, "car": 30.0}
    test = {"miou": TEST[network][index], "pixel_accuracy": 81.0, "iou": iou} if dataset == "town" else None
    evaluation = {"val": {"miou": VAL[network][index], "pixel_accuracy": 84.0, "iou": iou}, "test": test}
    evaluation |= {"exported": None, "export_problem": None}
    cost = {"params": 10, "macs": 20, "device": "", "backend": "eager", "precision": "fp32"}
    timing = {"fps": 8.0, "latency_ms_p50": 125.0, "latency_ms_p95": 130.0}
    records = [{"size": size, **cost, **timing} for size in ([64, 128], [512, 1024])]
    files.write_json(Path(paths.TRAINING.format(**names)), training)
    files.write_json(Path(paths.EVALUATION.format(**names)), evaluation)
    files.write_json(Path(paths.PROFILE.format(**names)), {"records": records})


def read_summary():
    with open(paths.SUMMARY, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def row(dataset, network):
    (match,) = [row for row in read_summary() if (row["dataset"], row["network"]) == (dataset, network)]
    return match


def test_one_row_per_dataset_and_network_at_the_size_of_its_accuracy(config, results):
    write_summary(config)
    keys = [(row["dataset"], row["network"], row["input_size"], row["seeds"]) for row in read_summary()]
    assert keys == [(d, n, "64x128", "3") for d in ("town", "village") for n in ("searched", "erfnet")]
    assert tuple(read_summary()[0]) == COLUMNS


@pytest.mark.parametrize("network", ["searched", "erfnet"])
def test_mean_and_sample_deviation_over_the_seeds(config, results, network):
    write_summary(config)
    town = row("town", network)
    for measure, values in (("miou_val", VAL[network]), ("miou_test", TEST[network])):
        assert float(town[f"{measure}_mean"]) == pytest.approx(statistics.mean(values), abs=0.006)
        assert float(town[f"{measure}_std"]) == pytest.approx(statistics.stdev(values), abs=0.006)


def test_without_test_labels_the_test_columns_stay_empty(config, results):
    write_summary(config)
    village = row("village", "erfnet")
    assert village["miou_val_mean"] == "40.5"
    assert (village["miou_test_mean"], village["miou_test_std"]) == ("", "")


def test_one_seed_has_a_mean_and_no_deviation(config, results):
    write_summary({**config, "seeds": [3]})
    town = row("town", "searched")
    assert (town["seeds"], town["miou_val_mean"], town["miou_val_std"]) == ("1", "40.25", "")
    assert town["chosen_seed"] == "3"


def test_the_seed_is_chosen_by_the_one_hot_supernet_and_only_for_the_searched_network(config, results):
    write_summary(config)
    assert row("town", "searched")["chosen_seed"] == "3", "though seed 7 has the best retrained network"
    assert row("town", "erfnet")["chosen_seed"] == ""


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({0: 50.0, 3: 52.5, 7: 51.0}, 3),
        ({7: 52.5, 3: 52.5, 0: 50.0}, 3),
        ({0: None, 3: 1.0, 7: None}, 3),
        ({0: None, 7: None}, None),
    ],
)
def test_the_highest_miou_wins_and_a_tie_goes_to_the_lower_seed(tmp_path, monkeypatch, scores, expected):
    monkeypatch.chdir(tmp_path)
    for seed, score in scores.items():
        write_search("town", seed, score)
    assert chosen_seed({"seeds": list(scores)}, "town") == expected


def test_a_missing_result_is_named_with_its_command_and_the_old_summary_stays(config, results):
    files.write_text(Path(paths.SUMMARY), "old\n")
    missing = paths.EVALUATION.format(dataset="town", seed=7, network="erfnet")
    Path(missing).unlink()
    with pytest.raises(UserError, match=f"{missing} is missing; make it with: snakemake --cores all {missing}"):
        write_summary(config)
    assert Path(paths.SUMMARY).read_text() == "old\n"


def test_a_full_disk_leaves_the_old_summary(config, results, monkeypatch):
    files.write_text(Path(paths.SUMMARY), "old\n")

    def full_disk(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(UserError, match=r"could not write results/summary\.csv: No space left"):
        write_summary(config)
    assert Path(paths.SUMMARY).read_text() == "old\n"
