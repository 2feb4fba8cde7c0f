"""Stage `contest`: join the searched networks and those of selectors in one CSV file, with statistics as text."""

from typing import Any

import pandas as pd

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.experiment.cost import NetworkCost
from ssr_mmseg.jobs.changes import check_current
from ssr_mmseg.jobs.job import Job
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.report.contest_chart import write_contest_figure
from ssr_mmseg.report.contest_text import report
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.project_files import selection
from ssr_mmseg.settings.ranking import contestants, ranked_networks
from ssr_mmseg.settings.scenario import searches
from ssr_mmseg.stages.select import search_seconds
from ssr_mmseg.utils.files import atomic_path, write_text

COLUMNS = (
    "dataset",
    "network",
    "selector",
    "seed",
    "miou_test",
    "miou_val",
    "macs",
    "cost",
    "unit",
    "cost_ratio",
    "search_hours",
    "training_hours",
    "gap",
    "gates_decided",
    "score_single_path",
    "score_relaxed",
    "commit",
)
DIGITS = {"cost_ratio": 4, "search_hours": 4, "training_hours": 4, "gates_decided": 4, "gap": 4}


def write_contest(config: dict) -> None:
    """Write `results/contest.csv`, one row per network and seed, `results/contest.md`, and a figure per dataset.

    A random network that only `contest.ranking` asks for has a row, too. Accuracy is in percent, after retraining.

    Raises:
        UserError: There is nothing to compare, or a result is missing or lacks a key; the message says how to make it.
    """
    networks = contestants(config)
    rows = []
    for dataset in settings.dataset_names(config):
        for scenario in searches(config, dataset):
            for seed in config["seeds"]:
                ranked = ranked_networks(config) if seed == config["seeds"][0] else []
                for network in dict.fromkeys([*networks, *ranked]):
                    rows.append(contest_row(config, scenario, seed, network, network in ranked))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for scenario, group in table.groupby("dataset", sort=False):
        write_contest_figure(group, paths.result_path(config, paths.CONTEST_FIGURE, dataset=scenario))
    with atomic_path(paths.result_path(config, paths.CONTEST)) as temporary:
        table.to_csv(temporary, index=False)
    write_text(paths.result_path(config, paths.CONTEST_REPORT), report(table))


def contest_row(config: dict, dataset: str, seed: int, network: str, ranked: bool) -> dict[str, Any]:
    """Return the row of one network."""
    names = {"dataset": dataset, "seed": seed, "network": network}
    for stage in ("evaluate", *(["select"] if selection(network) else []), *(["rank"] if ranked else [])):
        check_current(config, Job.of(config, stage, **names))
    evaluation = Result(paths.result_path(config, paths.EVALUATION, **names))
    training = Result(paths.result_path(config, paths.TRAINING, **names))
    row: dict[str, Any] = {
        "dataset": dataset,
        "network": network,
        "seed": seed,
        "miou_test": evaluation["test", "miou"] if evaluation["test"] else None,
        "miou_val": evaluation["val", "miou"],
        "training_hours": training["hours"],
        "commit": training["provenance", "commit"],
    }
    if chosen := selection(network):
        record = Result(paths.result_path(config, paths.SELECTION, **names))
        row |= {
            "selector": chosen[0],
            "macs": record["macs"],
            "cost": record["cost"],
            "unit": record["unit"],
            "cost_ratio": record["cost"] / record["target"],
            "search_hours": record["hours"] + record["supernet_hours"],
        }
    else:
        genotype, cost = Genotype.read(paths.result_path(config, paths.GENOTYPE, **names)), NetworkCost(config, dataset)
        gap = Result(paths.result_path(config, paths.GAP, **names))
        row |= {
            "selector": network,
            "macs": cost.macs(genotype),
            "cost": cost.of(genotype),
            "unit": cost.unit,
            "cost_ratio": 1.0,
            "search_hours": search_seconds(config, dataset, seed) / 3600,
            "gap": gap["end", "gap"],
            "gates_decided": gap["end", "gates_decided"],
        }
    if ranked:
        scores = Result(paths.result_path(config, paths.RANK, **names))
        row |= {f"score_{kind}": scores["scores", kind, network] for kind in scores["scores"]}
    return {
        key: round(value, DIGITS[key]) if key in DIGITS and value is not None else value for key, value in row.items()
    }
