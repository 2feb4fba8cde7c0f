"""Work folders of finished trainings, which are kept until the workflow has accepted the results.

Snakemake deletes the outputs of a job that it does not accept, for example because it was killed itself while the job
ended, or because a clock was set back. With its last state a training then ends again within seconds. Must not import
torch: the Snakefile imports this module.
"""

import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ssr_mmseg import settings
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.stage_identity import origin
from ssr_mmseg.settings.stage_table import search_stage

MARK = "finished"  # name of the file that marks the work folder of a finished training


def mark_finished(work: Path) -> None:
    """Mark the work folder of a finished training, and delete the older of its two states."""
    (work / "previous.pth").unlink(missing_ok=True)
    (work / MARK).touch()


def remove_finished(config: dict) -> None:
    """Delete the work folders of all finished trainings of an experiment."""
    _remove(config, "*")


def remove_accepted(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "", number: int = 0) -> None:
    """Delete the work folders of the finished trainings whose results a stage reads.

    Call it in a job of the workflow only: that the job was started says that the results have been accepted.

    Args:
        config: A completed configuration.
        stage: Name of the stage that reads them.
        dataset, seed, network: Values of its wildcards.
        number: Number of a shrinking stage.
    """
    for training in _trainings(config, stage, dataset, seed, network, number):
        remove_trainings(config, training)


def remove_trainings(config: dict, name: str) -> None:
    """Delete the work folders of the finished trainings with a name such as `streets-seed0-retrain-erfnet`."""
    _remove(config, f"{glob.escape(name)}-*")


def _trainings(config: dict, stage: str, dataset: str, seed: int, network: str, number: int) -> Iterator[str]:
    """Yield the names of the trainings, with which the names of their work folders begin."""
    if stage == "shrink":
        yield from (f"{dataset}-seed{seed}-{_folder_stage(earlier)}" for earlier in range(number))
        return
    for used in origin(config, stage, dataset, seed, network).inputs:
        prefix = f"{used.dataset}-seed{used.seed}"
        if used.stage == "search":
            stages = settings.for_dataset(config, used.dataset)["search"]["shrink_stages"] + 1
            yield from (f"{prefix}-{_folder_stage(earlier)}" for earlier in range(stages))
        elif used.network:
            yield f"{prefix}-{used.stage}-{used.network}"


def _folder_stage(number: int) -> str:
    """Return the name of a search stage in the names of work folders."""
    return f"{search_stage(number).name}{number or ''}"


def _remove(config: dict, pattern: str) -> None:
    results = glob.escape(str(paths.results_folder(config)))
    for mark in glob.glob(os.path.join(results, "work", pattern, MARK)):
        shutil.rmtree(Path(mark).parent, ignore_errors=True)
