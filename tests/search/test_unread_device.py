"""No step of a training makes the CPU wait for a GPU, and nothing is computed on two devices: told without a GPU."""

import numpy as np
import pytest
import torch
from tiny_experiment import DATASET, EXPERIMENT
from unread_device import DEVICE, begin, fake_gpu, no_synchronization, steps

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import genotype_of, random_choice
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.step import get_architecture

__all__ = ["fake_gpu"]
SCHEDULES = "config/mmseg/schedules/{}_camvid.py"
TERMS = {"loss_weights", "acc_seg", "loss_architecture", "loss_cross_entropy", "loss_cost", "loss_operator"}


def experiment_of(**search) -> Experiment:
    """The tiny experiment with the schedules made for a GPU."""
    changes = {
        "search": {"schedule": SCHEDULES.format("search"), **search},
        "retrain": {"schedule": SCHEDULES.format("retrain"), "epochs": 20},
    }
    return Experiment(settings.complete(settings.merge(EXPERIMENT, changes)), DATASET, 0)


def know(loop: SearchLoop) -> None:
    """Let a search know what it does after its first step: which options are alive, and the cost's constants."""
    architecture = get_architecture(loop.runner.model)
    known = ArchitectureParameters(architecture.space)
    architecture._survivors, architecture._decided = known.survivors(), known.decided
    architecture._read = [(id(alive), alive._version) for alive in architecture.alive.values()]
    loop.objective.cost_ratio(architecture.probabilities())


@pytest.mark.parametrize("regularizer", ["ssr", "entropy", "none"])
def test_a_step_of_a_search(workplace, fake_gpu, tmp_path, regularizer):
    workplace("run")
    runner = experiment_of(regularizer=regularizer).search_runner(None, 2, 2, tmp_path / "work")
    loop = begin(runner)
    know(loop)
    found = steps(loop, 2)
    assert found.keys() >= TERMS, "both phases were run"
    assert all(value.device == DEVICE for values in found.values() for value in values)


def test_a_step_of_a_retraining(workplace, fake_gpu, tmp_path):
    workplace("run")
    experiment = experiment_of()
    genotype = genotype_of(experiment.space, random_choice(experiment.space, np.random.default_rng(3)))
    found = steps(begin(experiment.retrain_runner("derived", genotype, tmp_path / "work")), 2)
    assert len(found["loss"]) == 2


WAITING = {
    "reading a number": lambda x: float(x.sum()),
    "asking": lambda x: bool((x > 0).all()),
    "a mask of variable size": lambda x: x[x > 0],
    "a copy to the CPU": lambda x: x.cpu(),
    "a copy from the CPU": lambda x: torch.zeros(3).to(x.device),
    "an index of numbers": lambda x: x[[0, 2]],
    "numbers": lambda x: x + x.new_tensor([1.0, 2.0, 3.0]),
    "two devices": lambda x: x + torch.zeros(3),
}


@pytest.mark.parametrize("what", WAITING)
def test_what_waits_is_noticed(what):
    with no_synchronization(), pytest.raises((AssertionError, NotImplementedError, RuntimeError)):
        WAITING[what](torch.ones(3, device=DEVICE))
