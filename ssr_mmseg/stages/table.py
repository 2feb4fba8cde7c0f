"""The stage `table`: every result of the experiment in one CSV file, one row per network and input size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from ssr_mmseg import settings
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.settings import cost_targets, paths
from ssr_mmseg.utils.files import atomic_path

COLUMNS = (
    "dataset",
    "network",
    "kind",
    "seed",
    "train_split",
    "pretrained",
    "classes",
    "input_size",
    "params",
    "macs",
    "miou_val",
    "miou_test",
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
)

# Digits behind the point, beyond which a repetition of the run would differ anyway.
DIGITS = {
    "miou_val": 2,
    "miou_test": 2,
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
    """Join the results of all configured datasets, networks and seeds into `results/table.csv`, whole or not at all.

    mIoU, pixel accuracy and the discretization gap are in percent, latency in ms per batch, memory in 10⁹ bytes.
    Accuracy belongs to the dataset's own input size and is left empty at sizes that are profiled only.

    Raises:
        UserError: a result is missing or lacks a key; the message names the command that makes it.
    """
    rows = [
        row
        for dataset in settings.dataset_names(config)
        for seed in config["seeds"]
        for network in settings.networks(config, dataset)
        for row in network_rows(config, dataset, seed, network)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    with atomic_path(Path(paths.TABLE)) as temporary:
        table.to_csv(temporary, index=False)


def network_rows(config: dict, dataset: str, seed: int, network: str) -> list[dict[str, Any]]:
    """Rows of one trained network, one per record of its profile; values by column, None where there is none."""
    place, name = cost_targets.place_of(dataset, network)
    names = {"dataset": place, "seed": seed, "network": name}
    manifest = Result(settings.manifest_path(config, dataset))
    training = Result(paths.TRAINING.format(**names))
    evaluation = Result(paths.EVALUATION.format(**names))
    profile = Result(paths.PROFILE.format(**names))
    common = {
        "dataset": dataset,
        "network": network,
        "seed": seed,
        **{key: training[key] for key in ("kind", "train_split", "pretrained")},
        "classes": len(manifest["classes"]),
        "train_hours": training["hours"],
        "commit": training["provenance", "commit"],
    }
    if common["kind"] == "searched":
        common |= search_columns(place, seed)
    own_size = settings.for_dataset(config, dataset)["dataset"]["size"]
    return [
        rounded(common | cost | (accuracy_columns(evaluation) if size == own_size else {}) | measured)
        for size, cost, measured in cost_columns(profile)
    ]


def cost_columns(profile: Result) -> Iterator[tuple[list[int], dict[str, Any], dict[str, Any]]]:
    """Input size, columns, and the accuracy that a record of a profile measured itself, for each of its records."""
    keys = ("params", "macs", "fps", "latency_ms_p50", "latency_ms_p95", "device", "backend", "precision")
    for number in range(len(profile["records"])):
        height, width = profile["records", number, "size"]
        columns = {key: profile["records", number, key] for key in keys}
        columns |= {key: profile["records", number].get(key) for key in ("graph", "batch")}
        own = profile["records", number].get("miou_val")  # of a precision that changes the predictions
        measured = {} if own is None else {"miou_val": own, "miou_test": None, "pixel_accuracy": None}
        yield [height, width], {"input_size": f"{height}x{width}", **columns}, measured


def accuracy_columns(evaluation: Result) -> dict[str, Any]:
    """mIoU on both splits, and pixel accuracy on test, or on val where no test labels are public."""
    best = "test" if evaluation["test"] else "val"
    return {
        "miou_val": evaluation["val", "miou"],
        "miou_test": evaluation["test", "miou"] if best == "test" else None,
        "pixel_accuracy": evaluation[best, "pixel_accuracy"],
    }


def search_columns(dataset: str, seed: int) -> dict[str, Any]:
    """What the search took over all its stages, and how discrete its last stage left the supernet."""
    gap = Result(paths.GAP.format(dataset=dataset, seed=seed))
    return {
        "search_hours": gap["hours"],
        "search_peak_gb": gap["peak_gb"],
        "discretization_gap": gap["end", "gap"],
        "gates_decided": gap["end", "gates_decided"],
    }


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """A row with as many digits as mean something."""
    return {
        key: round(value, DIGITS[key]) if key in DIGITS and value is not None else value for key, value in row.items()
    }
