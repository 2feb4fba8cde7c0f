"""Checks, while an experiment is planned, that its results do not replace those of another one.

Must not import torch or numpy: the Snakefile imports this module.
"""

import csv
from collections.abc import Iterable
from pathlib import Path

from ssr_mmseg.settings import paths
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.utils.errors import UserError


def check_targets(config: dict, arguments: Iterable[str]) -> None:
    """Refuse a joined result of an experiment without a name as a target, if this experiment has a name.

    Args:
        config: A completed configuration.
        arguments: The arguments of Snakemake, among them the targets.

    Raises:
        UserError: The target's path in this experiment.
    """
    joined = {pattern for stage in STAGES.values() if not stage.wildcards for pattern in stage.outputs.values()}
    for target in joined.intersection(arguments) if config.get("name") else ():
        raise UserError(
            f"{target} is not a result of the experiment {config['name']}, whose results are in "
            f"{paths.results_folder(config)}; did you mean {paths.result_pattern(config, target)}?"
        )


def check_table(config: dict, origin: str) -> None:
    """Refuse to replace the table of other datasets: an experiment needs a name to have results of its own.

    Args:
        config: A completed configuration.
        origin: Name of the configuration, for the message.

    Raises:
        UserError: The folder of the results has a table without any dataset of this configuration.
    """
    path = paths.result_path(config, paths.TABLE)
    found = table_datasets(path)
    if found and found.isdisjoint(config["datasets"]):
        name = next(iter(config["datasets"]))
        raise UserError(
            f"{path} has results on {', '.join(sorted(found))}, and {origin} is about {', '.join(config['datasets'])}; "
            f"to keep both, give this experiment a name (name: {name} in the configuration, or --config name={name}); "
            "to replace that table, delete it"
        )


def table_datasets(path: Path) -> set[str]:
    """Return the datasets of a table; empty if there is none, or if it cannot be read."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return {row["dataset"] for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, csv.Error):
        return set()
