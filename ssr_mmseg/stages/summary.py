"""The stage `summary`: the seeds of the table taken together, and the one genotype that is chosen among them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ssr_mmseg import settings
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.settings import cost_targets, paths
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
DIGITS = 2  # behind the point, as in the table


def write_summary(config: dict) -> None:
    """Write `results/summary.csv`: mean and standard deviation of mIoU over the seeds, and the seed that is chosen.

    One row per dataset, network and input size that accuracy was measured at; mIoU in percent. The standard deviation
    is that of a sample (n − 1) and empty for a single seed.

    Raises:
        UserError: a result is missing or lacks a key; the message names the command that makes it.
    """
    rows = [
        row
        for dataset in settings.dataset_names(config)
        for network in settings.networks(config, dataset)
        for row in summary_rows(config, dataset, network)
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)
    with atomic_path(Path(paths.SUMMARY)) as temporary:
        table.to_csv(temporary, index=False)


def summary_rows(config: dict, dataset: str, network: str) -> Iterator[dict[str, Any]]:
    """Rows of one network, one per input size; values by column, None where there is none."""
    measured = []
    for seed in config["seeds"]:
        # a size has a row per backend and batch: the first one has the accuracy of the network itself
        firsts: dict[str, dict[str, Any]] = {}
        for row in network_rows(config, dataset, seed, network):
            firsts.setdefault(row["input_size"], row)
        measured += [row for row in firsts.values() if row.get("miou_val") is not None]
    for size in dict.fromkeys(run["input_size"] for run in measured):
        same = [run for run in measured if run["input_size"] == size]
        kind = same[0]["kind"]
        row = {"dataset": dataset, "network": network, "kind": kind, "input_size": size, "seeds": len(same)}
        for measure in MEASURES:
            values = [run[measure] for run in same if run[measure] is not None]
            row[f"{measure}_mean"] = round(float(np.mean(values)), DIGITS) if values else None
            row[f"{measure}_std"] = round(float(np.std(values, ddof=1)), DIGITS) if len(values) > 1 else None
        if kind == "searched":
            row["chosen_seed"] = chosen_seed(cost_targets.place_of(dataset, network)[0], config["seeds"])
        yield row


def chosen_seed(dataset: str, seeds: Iterable[int]) -> int | None:
    """The seed whose one-hot supernet has the highest mIoU on val at the end of its search, the lower one of equals.

    So the choice is made without the retrained networks and without the test split. None if no mIoU is known.

    Raises:
        UserError: the search of a seed has not been reported.
    """
    scores = {seed: Result(paths.GAP.format(dataset=dataset, seed=seed))["end", "one_hot_miou"] for seed in seeds}
    known = sorted((-score, seed) for seed, score in scores.items() if score is not None)
    return known[0][1] if known else None
