"""No training step synchronizes with the GPU or computes on two devices; checked without a GPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from latency_tables import CLASSES, SIZE, synthetic
from tiny_experiment import DATASET, EXPERIMENT
from unread_device import DEVICE, OnDeviceOnly, StrictRecorder, begin, fake_gpu, no_synchronization, steps

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs import Cost, build_cost
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search import graph_hook
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.regularizers import REGULARIZERS
from ssr_mmseg.search.step import get_architecture

__all__ = ["fake_gpu"]
REGULARIZER_NAMES = sorted(name for name in REGULARIZERS.module_dict if name.islower())
TERMS = {"loss_weights", "acc_seg", "loss_architecture", "loss_cross_entropy", "loss_cost", "loss_operator"}


def gpu_experiment(**search) -> Experiment:
    """Return the tiny experiment with the mmengine configs for GPUs."""
    changes = {
        "search": {"config": "config/mmseg/supernet_camvid.py", **search},
        "retrain": {"config": "config/mmseg/ssrnet_camvid.py", "epochs": 20},
    }
    return Experiment(settings.complete(settings.merge(EXPERIMENT, changes)), DATASET, 0)


def latency_cost(space: SearchSpace, path: Path) -> Cost:
    """Return a cost whose table has been computed."""
    synthetic(space, points=2).write(path)
    return build_cost({"type": "latency", "target_ms": 9.0}, space, CLASSES, SIZE, path)


def fill_caches(loop: SearchLoop) -> None:
    """Fill what a search caches in its first step: the survivors, and the constants of the cost."""
    architecture = get_architecture(loop.runner.model)
    host = ArchitectureParameters(architecture.space)
    architecture._survivors, architecture._decided = host.survivors(), host.decided
    architecture._read = [(id(alive), alive._version) for alive in architecture.alive.values()]
    loop.objective.cost_ratio(architecture.probabilities())


@pytest.mark.parametrize("regularizer", REGULARIZER_NAMES)
def test_a_search_step_does_not_synchronize(workplace, fake_gpu, tmp_path, regularizer):
    workplace("run")
    runner = gpu_experiment(regularizer=regularizer).search_runner(None, 2, 2, tmp_path / "work")
    loop = begin(runner)
    fill_caches(loop)
    terms = steps(loop, 2)
    assert terms.keys() >= TERMS, "both phases must run"
    assert all(value.device == DEVICE for values in terms.values() for value in values)


@pytest.mark.parametrize("cost", ["macs", "latency"])
@pytest.mark.parametrize("regularizer", REGULARIZER_NAMES)
def test_recorded_passes_use_no_tensor_of_the_host(workplace, fake_gpu, tmp_path, monkeypatch, regularizer, cost):
    workplace("run")
    recorder = StrictRecorder()
    monkeypatch.setattr(graph_hook, "recorder_for", lambda device: recorder)
    runner = gpu_experiment(regularizer=regularizer).search_runner(None, 2, 2, tmp_path / "work")
    loop = begin(runner)
    if cost == "latency":
        loop.objective.cost = latency_cost(loop.objective.cost.space, tmp_path / "table.json")
    fill_caches(loop)
    steps(loop, 3)
    assert not loop.step.train.failed
    assert (recorder.records, recorder.replays) == (2, 4)


def test_a_retraining_step_does_not_synchronize(workplace, fake_gpu, tmp_path):
    workplace("run")
    experiment = gpu_experiment()
    genotype = build_genotype(experiment.space, random_choice(experiment.space, np.random.default_rng(3)))
    terms = steps(begin(experiment.retrain_runner("derived", genotype, tmp_path / "work")), 2)
    assert len(terms["loss"]) == 2


SYNCHRONIZING = {
    "reading a number": lambda x: float(x.sum()),
    "asking": lambda x: bool((x > 0).all()),
    "a mask of variable size": lambda x: x[x > 0],
    "a copy to the CPU": lambda x: x.cpu(),
    "a copy from the CPU": lambda x: torch.zeros(3).to(x.device),
    "an index of numbers": lambda x: x[[0, 2]],
    "numbers": lambda x: x + x.new_tensor([1.0, 2.0, 3.0]),
    "two devices": lambda x: x + torch.zeros(3),
}


@pytest.mark.parametrize("what", [lambda x: x.cpu(), lambda x: x.copy_(torch.ones(3), non_blocking=True),
                                  lambda x: x + torch.tensor(1.0), lambda x: torch.arange(3)])  # fmt: skip
def test_tensors_of_the_host_are_detected(what):
    with OnDeviceOnly(), pytest.raises((AssertionError, NotImplementedError)):
        what(torch.ones(3, device=DEVICE))


@pytest.mark.parametrize("what", SYNCHRONIZING)
def test_synchronizations_are_detected(what):
    with no_synchronization(), pytest.raises((AssertionError, NotImplementedError, RuntimeError)):
        SYNCHRONIZING[what](torch.ones(3, device=DEVICE))
