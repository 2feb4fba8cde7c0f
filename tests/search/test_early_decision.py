"""A search that decides its last gate before its last stage: the later stages pass its state on."""

from pathlib import Path

import pytest
import torch
from tiny_experiment import DATASET, experiment

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.search.step import architecture_state, get_architecture
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.origin import KEY
from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.files import read_json

STAGES = 2  # shrinking stages, after the first stage
UNDECIDED, DECIDING = 0.1, 1 - 1e-6  # thresholds; with the second, every group keeps only its best option


def run(threshold: float, stage: int, **changes) -> dict:
    """Run a stage and return its state, which may be continued from with another threshold."""
    search(experiment(threshold=threshold, shrink_stages=STAGES, epochs=1, **changes), DATASET, 0, stage)
    path = paths.state_path({}, DATASET, 0, stage)
    state = load_state(path)
    del state[KEY]
    save_state(path, state)
    return state


def genotype_now() -> Genotype:
    """Return the genotype of the last stage's state; `refuse` checks that every group was decided."""
    config = experiment(shrink_stages=STAGES, epochs=1)
    discretize({**config, "discretize": {"undecided": "refuse"}}, DATASET, 0)
    return Genotype.read(Path(paths.GENOTYPE.format(dataset=DATASET, seed=0)))


def decided_genotype(state: dict) -> Genotype:
    """Return the genotype of the survivors in a decided state."""
    space = SearchSpace.from_settings(experiment()["search"])
    gates = ArchitectureParameters(space)
    gates.load_state_dict(architecture_state(state["model"]))
    return build_genotype(space, gates.choice())


def assert_resumes(state: dict, **changes) -> None:
    """Check that a training resumes from the state: weights, gates, and both optimizers with their parameter order."""
    work = Path("results/work/resumed")
    Checkpoints(work / "state.pth").save(state)
    config = experiment(shrink_stages=STAGES, epochs=1, **changes)
    last = STAGES + 2
    runner = Experiment(config, DATASET, 0).search_runner(state["structure"], last, last, work)
    runner.train()
    assert state["iteration"] < runner.train_loop.iter == last * runner.train_loop.steps_per_epoch
    assert get_architecture(runner.model).decided
    assert all(bool(torch.isfinite(p).all()) for p in runner.model.parameters())
    named = dict(runner.model.named_parameters())
    for part, names in state["parameters"].items():
        optimizer = runner.optim_wrapper[part].optimizer
        assert [id(p) for group in optimizer.param_groups for p in group["params"]] == [id(named[n]) for n in names]
        for position, entries in state["optimizers"][part]["state"].items():
            assert {v.shape for v in entries.values() if v.dim()} == {named[names[position]].shape}


@pytest.mark.parametrize("decided", range(STAGES + 1))
def test_a_state_that_is_decided_early_is_passed_on(workplace, decided):
    """The stage after the decision still compacts; the later ones change nothing."""
    workplace("early")
    for stage in range(decided):
        assert not run(UNDECIDED, stage)["decided"]
    chosen = run(DECIDING, decided)
    assert chosen["decided"]
    scores = []
    for stage in range(decided + 1, STAGES + 1):
        state = run(UNDECIDED, stage)
        assert state["decided"]
        assert state["iteration"] == chosen["iteration"], "a decided search is not trained"
        assert not read_json(paths.stage_metrics_path({}, DATASET, 0, stage))["history"]
        scores.append(read_json(paths.stage_metrics_path({}, DATASET, 0, stage))["relaxed_miou"])
        for gate in ("depth", "operator", "mid_width", "out_width"):
            name = f"backbone.architecture.alive_{gate}"
            assert torch.equal(state["model"][name], chosen["model"][name])
    assert len(set(scores)) <= 1
    last = load_state(paths.state_path({}, DATASET, 0, STAGES))
    if decided < STAGES:
        assert last["structure"] != chosen["structure"], "the stage after the decision compacts"
    assert genotype_now().stages == decided_genotype(chosen).stages
    assert_resumes(last)


def test_a_state_with_nothing_to_compact_is_passed_on_too(workplace):
    """A search without dimensions is decided at the start and keeps its structure."""
    workplace("nothing")
    states = [run(UNDECIDED, stage, dimensions=[]) for stage in range(STAGES + 1)]
    assert all(state["decided"] for state in states)
    assert all(state["structure"] == states[0]["structure"] for state in states)
    assert_resumes(states[-1], dimensions=[])
