"""Results of the trained networks of a dataset, as far as a recommendation needs them."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.scenario import TableNetwork
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

COUNTS = ("intersection", "predicted", "labeled")


@dataclass(frozen=True)
class Run:
    """A network that was trained or exported by others, with the accuracy of its file.

    Attributes:
        label: Name in the table.
        seed: Seed of its training.
        names: Values of the wildcards of its results.
        file: The exported file.
        counts: By split, pixels in intersection, prediction and label, (images, classes, 3).
        record: The record `exported` of its evaluation.
        params: Parameters.
        macs: Multiply-adds of an image, if they are known.
    """

    label: str
    seed: int
    names: dict[str, Any]
    file: Path
    counts: dict[str, np.ndarray]
    record: dict[str, Any]
    params: int | None
    macs: int | None


def read_run(config: dict, network: TableNetwork, seed: int, classes: list[str], file: Path | None = None) -> Run | str:
    """Read the results of a network, or return the reason why it has no exported file.

    Args:
        config: A completed configuration.
        network: The network.
        seed: Seed of its training.
        classes: Class names of the dataset.
        file: Its file, if it is that of another tool.

    Raises:
        UserError: A result is missing or malformed, or the file is not the evaluated one.
    """
    names = {"dataset": network.scenario, "seed": seed, "network": network.name}
    evaluation = Result(paths.result_path(config, paths.EVALUATION, **names))
    if evaluation["exported"] is None:
        return str(evaluation.value.get("export_problem") or "evaluate.exported is false")
    file = file or paths.result_path(config, paths.EXPORTED, **names)
    if not file.is_file() or sha256(file) != evaluation["exported", "sha256"]:
        raise UserError(
            f"{file} is not the file that was evaluated; delete {evaluation.path} and make it again with: snakemake "
            f"--cores all {evaluation.path}"
        )
    profile = Result(paths.result_path(config, paths.PROFILE, **names))
    records = profile["records"]
    return Run(
        network.label,
        seed,
        names,
        file,
        read_counts(paths.result_path(config, paths.PER_IMAGE, **names), classes),
        evaluation["exported"],
        records[0].get("params") if records else None,
        records[0].get("macs") if records else None,
    )


def read_counts(path: Path, classes: list[str]) -> dict[str, np.ndarray]:
    """Read the pixels of each image and class by split, (images, classes, 3), with the images in the file's order.

    Raises:
        UserError: The file is missing or malformed.
    """
    columns = {name: number for number, name in enumerate(classes)}
    splits: dict[str, dict[str, np.ndarray]] = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                images = splits.setdefault(row["split"], {})
                counts = images.setdefault(row["image"], np.zeros((len(classes), len(COUNTS)), np.int64))
                counts[columns[row["class"]]] = [int(row[name]) for name in COUNTS]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} is missing or damaged; delete it and make it again with: snakemake --cores all {path}"
        ) from error
    return {split: np.stack(list(images.values())) for split, images in splits.items()}
