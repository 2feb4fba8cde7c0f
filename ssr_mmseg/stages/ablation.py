"""Stage `ablation`: join the searches of all cells and seeds in one CSV file, and write their statistics as text."""

from typing import Any

import pandas as pd

from ssr_mmseg.architecture.search_space import DIMENSIONS
from ssr_mmseg.jobs.changes import check_current
from ssr_mmseg.jobs.job import Job, search_jobs
from ssr_mmseg.report.ablation_text import report
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import Cell, ablation_cells
from ssr_mmseg.stages.gap import retrained_miou, stage_records
from ssr_mmseg.utils.files import atomic_path, write_text

COLUMNS = (
    "dataset",
    "regularizer",
    "shrink",
    "dimensions",
    "variant",
    "seed",
    "relaxed_miou",
    "one_hot_miou",
    "gap",
    "retrained_miou",
    "gates_decided",
    "entropy",
    "cost_ratio",
    "one_hot_macs",
    *(f"alive_{dimension}" for dimension in DIMENSIONS),
    "hours",
    "commit",
)
COPIED = ("relaxed_miou", "one_hot_miou", "gap", "gates_decided", "cost_ratio", "one_hot_macs", "commit")
DIGITS = {"gates_decided": 4, "entropy": 4, "cost_ratio": 4, "hours": 4}


def write_ablation(config: dict) -> None:
    """Write `results/ablation.csv`, one row per cell and seed, and `results/ablation.md`.

    Raises:
        UserError: There is no ablation, or a result is missing or lacks a key; the message says how to make it.
    """
    rows = [
        cell_row(config, cell, seed) for cell in ablation_cells(config).values() for seed in config["ablation"]["seeds"]
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    with atomic_path(paths.result_path(config, paths.ABLATION)) as temporary:
        table.to_csv(temporary, index=False)
    write_text(paths.result_path(config, paths.ABLATION_REPORT), report(table))


def cell_row(config: dict, cell: Cell, seed: int) -> dict[str, Any]:
    """Return the row of one search: the state of the supernet at its end, and the hours of all its stages."""
    *_, search = search_jobs(config, cell.name, seed)
    check_current(config, search)
    if config["ablation"]["retrain"]:
        check_current(config, Job.of(config, "evaluate", cell.name, seed, "searched"))
    stages = stage_records(config, cell.name, seed)
    last = stages[-1]
    row = {
        "dataset": cell.dataset,
        "regularizer": cell.regularizer,
        "shrink": "on" if cell.shrink else "off",
        "dimensions": cell.dimensions,
        "variant": cell.variant,
        "seed": seed,
        **{key: last[key] for key in COPIED},
        "retrained_miou": retrained_miou(config, cell.name, seed) if config["ablation"]["retrain"] else None,
        "entropy": last["mean_entropy"],
        **{f"alive_{dimension}": count for dimension, count in last["dimensions_alive"].items()},
        "hours": sum(stage["hours"] for stage in stages),
    }
    return {key: round(value, DIGITS[key]) if key in DIGITS else value for key, value in row.items()}
