"""Stage `table`: join the results of the experiment in one CSV file, one row per network and input size."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ssr_mmseg import settings
from ssr_mmseg.jobs.changes import check_current
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.jobs.result_warnings import accuracy_doubts, export_doubts, latency_doubts, search_doubts
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.rivals import RIVAL, rival_entry
from ssr_mmseg.settings.scenario import TableNetwork, table_networks
from ssr_mmseg.utils.files import atomic_path

COLUMNS = (
    "dataset",
    "network",
    "kind",
    "seed",
    "train_split",
    "pretrained",
    "teacher",
    "classes",
    "input_size",
    "params",
    "macs",
    "miou_val",
    "miou_test",
    "miou_exported",
    "pixel_accuracy",
    "fps",
    "latency_ms_p50",
    "latency_ms_p95",
    "device",
    "backend",
    "precision",
    "graph",
    "batch",
    "search_hours",
    "search_peak_gb",
    "train_hours",
    "commit",
    "discretization_gap",
    "gates_decided",
    "warnings",
)

# Decimal places: further ones would differ between two runs anyway.
DIGITS = {
    "miou_val": 2,
    "miou_test": 2,
    "miou_exported": 2,
    "pixel_accuracy": 2,
    "fps": 2,
    "latency_ms_p50": 3,
    "latency_ms_p95": 3,
    "search_hours": 5,
    "search_peak_gb": 3,
    "train_hours": 5,
    "discretization_gap": 2,
    "gates_decided": 4,
}


def write_table(config: dict) -> None:
    """Join the results of all configured datasets, networks and seeds in `results/table.csv`, replaced atomically.

    mIoU, pixel accuracy and the discretization gap are in percent, latency in ms per batch, memory in 10⁹ bytes.
    `warnings` tells which results should not be trusted (see `jobs.result_warnings`), and is empty otherwise.
    Accuracy is measured at the dataset's own input size, and empty at sizes that are only profiled.

    Raises:
        UserError: A result is missing, lacks a key or is of another configuration; the message names the command that
            makes it.
    """
    rows = [
        row
        for dataset in settings.dataset_names(config)
        for seed in config["seeds"]
        for network in table_networks(config, dataset)
        for row in network_rows(config, dataset, seed, network)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    with atomic_path(paths.result_path(config, paths.TABLE)) as temporary:
        table.to_csv(temporary, index=False)


def network_rows(config: dict, dataset: str, seed: int, network: TableNetwork) -> list[dict[str, Any]]:
    """Return the rows of one trained network, one per record of its profile: values by column, None for no value."""
    names = {"dataset": network.scenario, "seed": seed, "network": network.name}
    for stage in ("evaluate", "profile"):
        check_current(config, Job.of(config, stage, **names))
    rival = rival_entry(config, network.name) is not None
    manifest = Result(settings.manifest_path(config, dataset))
    evaluation = Result(paths.result_path(config, paths.EVALUATION, **names))
    profile = Result(paths.result_path(config, paths.PROFILE, **names))
    common = {
        "dataset": dataset,
        "network": network.label,
        "seed": seed,
        "classes": len(manifest["classes"]),
        **(
            {"kind": RIVAL, "commit": profile["provenance", "commit"]}
            if rival
            else training_columns(Result(paths.result_path(config, paths.TRAINING, **names)))
        ),
    }
    doubts = [*accuracy_doubts(evaluation[best_split(evaluation), "iou"]), *export_doubts(evaluation["export_problem"])]
    if common["kind"] == "searched":
        check_current(config, Job.of(config, "gap", network.scenario, seed))
        gap = Result(paths.result_path(config, paths.GAP, dataset=network.scenario, seed=seed))
        common |= search_columns(gap)
        doubts = search_doubts(*(gap["end", key] for key in ("groups", "relaxed_miou", "one_hot_miou"))) + doubts
    evaluated = evaluated_size(config, network, evaluation)
    rows = []
    for size, cost, measured in cost_columns(profile):
        warnings = [*manifest["warnings"], *doubts, *latency_doubts(cost.pop("settled"))]
        accuracy = accuracy_columns(evaluation) if size == evaluated else {}
        rows.append(rounded(common | cost | accuracy | measured | {"warnings": "; ".join(warnings) or None}))
    return rows


def training_columns(training: Result) -> dict[str, Any]:
    """Return what the training of a network says about it."""
    columns = {key: training[key] for key in ("kind", "train_split", "pretrained")}
    columns["teacher"] = training.value.get("teacher")  # results of before teachers do not have it
    return {**columns, "train_hours": training["hours"], "commit": training["provenance", "commit"]}


def evaluated_size(config: dict, network: TableNetwork, evaluation: Result) -> list[int]:
    """Return the input size at which the accuracy of a network was measured: the dataset's, or that of a rival."""
    if rival_entry(config, network.name):
        return evaluation["exported", "size"]
    return settings.for_dataset(config, network.scenario)["dataset"]["size"]


def cost_columns(profile: Result) -> Iterator[tuple[list[int], dict[str, Any], dict[str, Any]]]:
    """Yield the input size, the columns with `settled`, and the accuracy measured with it, of each profile record."""
    keys = ("params", "macs", "fps", "latency_ms_p50", "latency_ms_p95", "device", "backend", "precision")
    for number in range(len(profile["records"])):
        height, width = profile["records", number, "size"]
        columns = {key: profile["records", number, key] for key in keys}
        columns |= {key: profile["records", number].get(key) for key in ("graph", "batch", "settled")}
        miou = profile["records", number].get("miou_val")  # measured for a precision that changes the predictions
        unknown = dict.fromkeys(("miou_test", "miou_exported", "pixel_accuracy"))
        measured = {} if miou is None else {"miou_val": miou, **unknown}
        yield [height, width], {"input_size": f"{height}x{width}", **columns}, measured


def best_split(evaluation: Result) -> str:
    """Return the split whose accuracy counts: test, or val if the test labels are not public."""
    return "test" if evaluation["test"] else "val"


def accuracy_columns(evaluation: Result) -> dict[str, Any]:
    """Return mIoU on both splits; that of the exported file and pixel accuracy on the split that counts."""
    best = best_split(evaluation)
    exported = evaluation["exported"]
    return {
        "miou_val": evaluation["val", "miou"],
        "miou_test": evaluation["test", "miou"] if best == "test" else None,
        "miou_exported": evaluation["exported", best, "miou"] if exported else None,
        "pixel_accuracy": evaluation[best, "pixel_accuracy"],
    }


def search_columns(gap: Result) -> dict[str, Any]:
    """Return the hours and memory of a search, and how discrete the supernet was at its end."""
    return {
        "search_hours": gap["hours"],
        "search_peak_gb": gap["peak_gb"],
        "discretization_gap": gap["end", "gap"],
        "gates_decided": gap["end", "gates_decided"],
    }


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Round the values of a row to the decimal places in `DIGITS`."""
    return {
        key: round(value, DIGITS[key]) if key in DIGITS and value is not None else value for key, value in row.items()
    }
