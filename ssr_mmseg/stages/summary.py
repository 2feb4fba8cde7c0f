"""Stage `summary`: average the table over its seeds, and choose the genotype of one seed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ssr_mmseg import settings
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import TableNetwork, table_networks
from ssr_mmseg.stages.table import network_rows
from ssr_mmseg.utils.files import atomic_path

MEASURES = ("miou_val", "miou_test")
COLUMNS = (
    "dataset",
    "network",
    "kind",
    "input_size",
    "seeds",
    *(f"{measure}_{statistic}" for measure in MEASURES for statistic in ("mean", "std")),
    "chosen_seed",
)
DIGITS = 2  # decimal places, as in the table


def write_summary(config: dict) -> None:
    """Write `results/summary.csv`: mean and standard deviation of mIoU over the seeds, and the chosen seed.

    One row per dataset, network and input size with a measured accuracy; mIoU in percent. The standard deviation is
    that of a sample (n − 1), and empty for a single seed.

    Raises:
        UserError: A result is missing or lacks a key; the message names the command that makes it.
    """
    rows = [
        row
        for dataset in settings.dataset_names(config)
        for network in table_networks(config, dataset)
        for row in summary_rows(config, dataset, network)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    with atomic_path(paths.result_path(config, paths.SUMMARY)) as temporary:
        table.to_csv(temporary, index=False)


def summary_rows(config: dict, dataset: str, network: TableNetwork) -> Iterator[dict[str, Any]]:
    """Yield the rows of one network, one per input size: values by column, None for no value."""
    measured = []
    for seed in config["seeds"]:
        # a size has a row per backend and batch: the first one has the accuracy of the network itself
        first_rows: dict[str, dict[str, Any]] = {}
        for row in network_rows(config, dataset, seed, network):
            first_rows.setdefault(row["input_size"], row)
        measured += [row for row in first_rows.values() if row.get("miou_val") is not None]
    for size in dict.fromkeys(run["input_size"] for run in measured):
        runs = [run for run in measured if run["input_size"] == size]
        kind = runs[0]["kind"]
        row = {"dataset": dataset, "network": network.label, "kind": kind, "input_size": size, "seeds": len(runs)}
        for measure in MEASURES:
            values = [run[measure] for run in runs if run[measure] is not None]
            row[f"{measure}_mean"] = round(float(np.mean(values)), DIGITS) if values else None
            row[f"{measure}_std"] = round(float(np.std(values, ddof=1)), DIGITS) if len(values) > 1 else None
        if kind == "searched":
            row["chosen_seed"] = chosen_seed(config, network.scenario)
        yield row


def chosen_seed(config: dict, dataset: str) -> int | None:
    """Return the seed whose one-hot supernet has the highest mIoU on val at the end of its search.

    A tie goes to the lower seed; None if no mIoU is known. The choice depends neither on the retrained networks nor on
    the test split.

    Raises:
        UserError: The gap report of a seed is missing or lacks the mIoU.
    """
    scores = {}
    for seed in config["seeds"]:
        gap = Result(paths.result_path(config, paths.GAP, dataset=dataset, seed=seed))
        scores[seed] = gap["end", "one_hot_miou"]
    ranked = sorted((-score, seed) for seed, score in scores.items() if score is not None)
    return ranked[0][1] if ranked else None
