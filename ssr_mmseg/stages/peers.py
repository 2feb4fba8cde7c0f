"""Stage `peers`: compare all networks, trained or not, by one timing protocol, next to published results."""

from typing import Any

import pandas as pd

from ssr_mmseg import settings
from ssr_mmseg.jobs.changes import check_current
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.jobs.result_warnings import latency_doubts
from ssr_mmseg.report.peers import write_peers_figure
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.rivals import configured_kind
from ssr_mmseg.settings.scenario import TableNetwork, all_networks
from ssr_mmseg.stages.table import accuracy_columns, cost_columns, evaluated_size, rounded
from ssr_mmseg.utils.files import atomic_path

HERE, PUBLISHED = "measured here", "published"
COLUMNS = (
    "dataset",
    "network",
    "kind",
    "origin",
    "input_size",
    "params",
    "macs",
    "miou_val",
    "miou_test",
    "fps",
    "latency_ms_p50",
    "latency_ms_p95",
    "device",
    "backend",
    "precision",
    "warnings",
    "pretrained",
    "source",
)


def write_peers(config: dict) -> None:
    """Write `results/peers.csv`, and for each dataset with a trained network its figure, `results/peers-<dataset>.svg`.

    The rows are those of the first seed. Accuracy is in percent, at the dataset's own size, and empty for networks that
    were not trained. Published rows have their source, and their testbed as the device.

    Raises:
        UserError: A profile is missing or lacks a key; the message names the command that makes it.
    """
    rows = []
    for dataset in settings.dataset_names(config):
        for network in all_networks(config, dataset):
            rows += measured_rows(config, dataset, network)
        rows += published_rows(dataset, settings.for_dataset(config, dataset)["dataset"]["type"])
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    with atomic_path(paths.result_path(config, paths.PEERS)) as temporary:
        table.to_csv(temporary, index=False)
    for dataset in settings.dataset_names(config):
        write_peers_figure(config, dataset)


def measured_rows(config: dict, dataset: str, network: TableNetwork) -> list[dict[str, Any]]:
    """Return the rows of one network, one per profiled input size."""
    names = {"dataset": network.scenario, "seed": config["seeds"][0], "network": network.name}
    for stage in ("evaluate", "profile"):
        check_current(config, Job.of(config, stage, **names))
    profile = Result(paths.result_path(config, paths.PROFILE, **names))
    path = paths.result_path(config, paths.EVALUATION, **names)
    evaluation = Result(path) if path.is_file() else None
    accuracy = accuracy_columns(evaluation) if evaluation else {}
    training = paths.result_path(config, paths.TRAINING, **names)
    evaluated = evaluated_size(config, network, evaluation) if evaluation else None
    common = {
        "dataset": dataset,
        "network": network.label,
        "kind": configured_kind(config, network.name),
        "origin": HERE,
        "pretrained": Result(training)["pretrained"] if accuracy and training.is_file() else None,
    }
    rows = []
    for size, cost, measured in cost_columns(profile):
        doubts = latency_doubts(cost.pop("settled"))
        row = common | cost | (accuracy if size == evaluated else {}) | measured
        rows.append(rounded(row | {"warnings": "; ".join(doubts) or None}))
    return rows


def published_rows(dataset: str, dataset_type: str) -> list[dict[str, Any]]:
    """Return published results for a type of dataset, each with its source."""
    path = paths.PUBLISHED / f"{dataset_type}.csv"
    if not path.is_file():
        return []
    table = pd.read_csv(path, dtype={"input_size": str}).astype(object)
    table = table.where(table.notna(), None)
    return [
        {
            "dataset": dataset,
            "network": row["model"],
            "kind": PUBLISHED,
            "origin": PUBLISHED,
            "input_size": row["input_size"],
            "params": _scaled(row["params_m"], 1e6),
            "macs": _scaled(row.get("gmacs"), 1e9),
            "miou_test": row["test_miou"],
            "fps": row["fps"],
            "latency_ms_p50": round(1000 / row["fps"], 3) if row["fps"] else None,
            "device": row["testbed"],
            "pretrained": row["pretrained"],
            "source": row["source"],
        }
        for row in table.to_dict("records")
    ]


def _scaled(value: float | None, unit: float) -> int | None:
    return None if value is None else round(value * unit)
