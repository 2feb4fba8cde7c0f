"""The command `evaluate --onnx`: the accuracy of any ONNX file on a prepared dataset."""

import re
from pathlib import Path
from typing import Any

from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.file_accuracy import measure_file
from ssr_mmseg.settings.rivals import rival_file
from ssr_mmseg.stages.rivals import opened
from ssr_mmseg.utils.errors import UserError, one_line


def evaluate_file(config: dict, dataset: str, path: Path, split: str | None = None) -> dict[str, Any]:
    """Measure an ONNX file on a split, as the stage `evaluate` measures those of an experiment.

    A file that `networks` has an entry of is used as that says; any other as a rival whose entry has its name only.

    Args:
        config: A completed configuration.
        dataset: Name of a scenario whose dataset is prepared.
        path: The ONNX file.
        split: `val` or `test`; test if None, or val without labels of test.

    Returns:
        `file`, `dataset`, `split`, `bytes`, `sha256`, `size` of the input, `images`, and `miou`, `pixel_accuracy` and
        `iou` per class, in percent.

    Raises:
        UserError: The dataset is not prepared, the split has no labels, or the file cannot be used.
    """
    if not path.is_file():
        raise UserError(f"file {path} not found; correct the path")
    experiment = Experiment(config, dataset, 0)
    experiment.limit_threads("retrain")
    split = split or ("val" if experiment.splits["test"] is None else "test")
    if experiment.splits[split] is None:
        raise UserError(f"dataset {dataset} has no labels for {split}; choose another --split")
    file = opened(experiment, _entry(config, path))
    record, _ = measure_file(experiment, file.segment, path, file.input.size, [split])
    about = {"file": str(path), "dataset": dataset, "split": split}
    return {**about, **{key: record[key] for key in ("bytes", "sha256", "size")}, **record[split]}


def summary(result: dict[str, Any]) -> str:
    """Return the result of `evaluate_file` as a line."""
    return (
        f"{one_line(result['file'])}: mIoU {result['miou']:.2f} %, pixel accuracy {result['pixel_accuracy']:.2f} % on "
        f"{result['images']} images of {result['split']} of {result['dataset']}"
    )


def _entry(config: dict, path: Path) -> dict[str, Any]:
    """Return the entry of `networks` for a file, or one that has only its path and a name."""
    for entry in config["networks"]:
        if isinstance(entry, dict) and path.exists() and rival_file(entry).samefile(path):
            return entry
    name = re.sub(r"\W", "_", path.stem, flags=re.ASCII)[:100]
    return {"onnx": str(path.absolute()), "name": name or "file"}
