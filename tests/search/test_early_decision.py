"""A search whose last gate is decided before its last stage: the stages after it pass on what they were given."""

from pathlib import Path

import pytest
import torch
from tiny_experiment import DATASET, experiment

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, genotype_of
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search.step import architecture_of
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.files import read_json

STAGES = 2  # of shrinking, after the first
UNDECIDED, DECIDING = 0.1, 1 - 1e-6  # thresholds: under the second every group keeps its largest option alone


def run(threshold: float, stage: int, **changes) -> dict:
    """Run a stage and return its state."""
    search(experiment(threshold=threshold, shrink_stages=STAGES, epochs=1, **changes), DATASET, 0, stage)
    return load_state(paths.state_path(DATASET, 0, stage))


def genotype_now() -> Genotype:
    """What discretization makes of the last stage's state; `refuse` shows that nothing was left to choose."""
    config = experiment(shrink_stages=STAGES, epochs=1)
    discretize({**config, "discretize": {"undecided": "refuse"}}, DATASET, 0)
    return Genotype.read(Path(paths.GENOTYPE.format(dataset=DATASET, seed=0)))


def survivors_of(state: dict) -> Genotype:
    """The network that the survivors of a decided state are."""
    space = SearchSpace.from_settings(experiment()["search"])
    gates = ArchitectureParameters(space)
    prefix = "backbone.architecture."
    gates.load_state_dict({k.removeprefix(prefix): v for k, v in state["model"].items() if k.startswith(prefix)})
    return genotype_of(space, gates.choice())


def assert_resumes(state: dict, **changes) -> None:
    """A training goes on from the state: weights, gates, both optimizers and their order of parameters fit."""
    work = Path("results/work/resumed")
    Checkpoints(work / "state.pth").save(state)
    config = experiment(shrink_stages=STAGES, epochs=1, **changes)
    last = STAGES + 2
    runner = Experiment(config, DATASET, 0).search_runner(state["structure"], last, last, work)
    runner.train()
    assert state["iteration"] < runner.train_loop.iter == last * runner.train_loop.steps_per_epoch
    assert architecture_of(runner.model).decided
    assert all(bool(torch.isfinite(p).all()) for p in runner.model.parameters())
    named = dict(runner.model.named_parameters())
    for part, names in state["parameters"].items():
        optimizer = runner.optim_wrapper[part].optimizer
        assert [id(p) for group in optimizer.param_groups for p in group["params"]] == [id(named[n]) for n in names]
        for position, entries in state["optimizers"][part]["state"].items():
            assert {v.shape for v in entries.values() if v.dim()} == {named[names[position]].shape}


@pytest.mark.parametrize("decided", range(STAGES + 1))
def test_what_is_decided_early_is_passed_on(workplace, decided):
    """Decided at the end of each stage in turn: the next one still compacts, and those after it find nothing left."""
    workplace("early")
    for stage in range(decided):
        assert not run(UNDECIDED, stage)["decided"]
    chosen = run(DECIDING, decided)
    assert chosen["decided"]
    scores = []
    for stage in range(decided + 1, STAGES + 1):
        state = run(UNDECIDED, stage)
        assert state["decided"]
        assert state["iteration"] == chosen["iteration"], "nothing is trained where nothing is left to decide"
        assert not read_json(paths.stage_metrics_path(DATASET, 0, stage))["history"]
        scores.append(read_json(paths.stage_metrics_path(DATASET, 0, stage))["relaxed_miou"])
        for gate in ("depth", "operator", "mid_width", "out_width"):
            name = f"backbone.architecture.alive_{gate}"
            assert torch.equal(state["model"][name], chosen["model"][name])
    assert len(set(scores)) <= 1
    last = load_state(paths.state_path(DATASET, 0, STAGES))
    if decided < STAGES:
        assert last["structure"] != chosen["structure"], "the stage after the decision compacts"
    assert genotype_now().stages == survivors_of(chosen).stages
    assert_resumes(last)


def test_with_nothing_to_compact_it_is_passed_on_too(workplace):
    """A search of nothing is decided from the start, in the structure that it began with."""
    workplace("nothing")
    states = [run(UNDECIDED, stage, dimensions=[]) for stage in range(STAGES + 1)]
    assert all(state["decided"] for state in states)
    assert all(state["structure"] == states[0]["structure"] for state in states)
    assert_resumes(states[-1], dimensions=[])
