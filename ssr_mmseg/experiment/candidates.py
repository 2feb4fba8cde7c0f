"""What selectors measure candidates with: short trainings, and trained supernets."""

import time
from collections.abc import Callable
from pathlib import Path

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.experiment.earlier_results import load_search_state
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.jobs.finished_work import mark_finished, remove_trainings
from ssr_mmseg.jobs.result_file import Result
from ssr_mmseg.search.selection.trained_supernet import TrainedSupernet
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.safe_load import state_needed
from ssr_mmseg.training.checkpoint.work_lock import claim, release
from ssr_mmseg.utils.hashing import identity

SCORING_IMAGES = 64  # of val, spread evenly, that networks of a supernet are scored on
CALIBRATION_IMAGES = 64  # of train, for the statistics of the batch normalizations
BATCH = 8


def candidate_training(
    config: dict, dataset: str, seed: int, network: str, progress: Path
) -> Callable[[Genotype, float], tuple[float, float]]:
    """Return the function that trains a candidate for `SelectionTask.train`.

    A candidate is trained by the recipe of the stage `retrain`, for a share of its epochs and on the split `train`
    alone, so that val remains to choose by. A training that is interrupted continues from its last state.

    Args:
        network: Name of the network that is selected.
        progress: The job's progress file.
    """
    retrain = settings.for_dataset(config, dataset)["retrain"]

    def train(genotype: Genotype, share: float) -> tuple[float, float]:
        lengths = {key: max(round(share * retrain[key]), 1) for key in ("epochs", "min_steps")}
        overrides = {"retrain": lengths, "dataset": {"train_split": "train"}, "monitor": {"validation": 0}}
        experiment = Experiment(config, dataset, seed, overrides)
        experiment.limit_threads("retrain")
        recipe = settings.stage_identity(config, "retrain", dataset, seed, "searched")
        work = experiment.work_folder(f"select-{network}", identity([recipe, genotype.to_dict(), lengths]))
        remove_trainings(config, f"{dataset}-seed{seed}-select-{network}")
        claim(work)
        runner = experiment.candidate_runner(network, genotype, work, progress)
        runner.train()
        started = time.monotonic()
        loader, classes = experiment.evaluation_loader("val"), experiment.manifest["classes"]
        score = evaluate_model(runner.model, loader, classes)["miou"]
        seconds = runner.train_loop.seconds + time.monotonic() - started
        mark_finished(work)  # deleted when the next one begins, because this one's score has been written then
        release(work)
        return score, seconds

    return train


def load_trained_supernet(config: dict, scenario: str, seed: int) -> TrainedSupernet:
    """Load a supernet that was trained in one stage.

    Args:
        scenario: The scenario that trains it.

    Raises:
        UserError: It has not been trained yet, or its state is damaged or of another search.
    """
    experiment = Experiment(config, scenario, seed)
    experiment.limit_threads("search")
    path = paths.state_path(config, scenario, seed, 0)
    metrics = Result(paths.stage_metrics_path(config, scenario, seed, 0))
    model = experiment.build(experiment.supernet(None))
    state = load_search_state(config, scenario, seed, 0)
    with state_needed(path):
        model.load_state_dict(state["model"])
    model.to(experiment.device)
    scoring, calibration = (
        list(experiment.evaluation_loader(split, "search", BATCH, images))
        for split, images in (("val", SCORING_IMAGES), ("train", CALIBRATION_IMAGES))
    )
    seconds = 3600 * metrics["hours"]
    return TrainedSupernet(model, scoring, calibration, experiment.manifest["classes"], seconds)
