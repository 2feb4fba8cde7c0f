"""A dimension that is not searched keeps its fixed option in every step of a search."""

import numpy as np
import pytest
import torch
from spaces import SPACE, search_settings
from tiny_experiment import DATASET, experiment

from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import DIMENSIONS, GATES, SearchSpace, searched_gates
from ssr_mmseg.costs import build_cost
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.search import search
from ssr_mmseg.utils.files import read_json

WEIGHTS = {"cross_entropy": 100, "operator": 30, "out_width": 15, "mid_width": 15, "depth": 15, "cost": 1}


def fixed_gates(dimensions: tuple[str, ...]) -> set[str]:
    return set(GATES) - set(searched_gates(dimensions))


def assert_fixed(genotype: Genotype, dimensions: tuple[str, ...], space=SPACE) -> None:
    """Check that the genotype has full depth and width, the first dilation and resolution 1 where not searched."""
    for stage_space, stage in zip(space.stages, genotype.stages, strict=True):
        assert "depth" in dimensions or len(stage.blocks) == stage_space.blocks
        for block in stage.blocks:
            assert "dilation" in dimensions or block.dilation == space.dilations[0]
            assert "resolution" in dimensions or block.resolution == 1
            assert "mid_width" in dimensions or block.mid == stage.channels
            assert "out_width" in dimensions or block.out == stage.channels


@pytest.mark.parametrize("regularizer", ["ssr", "beta_decay", "zero_one"])
@pytest.mark.parametrize(
    "dimensions",
    [*((dimension,) for dimension in DIMENSIONS), ("dilation", "resolution"), DIMENSIONS[1:]],
    ids="+".join,
)
def test_fixed_gates_never_change(dimensions, regularizer):
    torch.manual_seed(0)
    supernet = SSRSupernet(**search_settings(dimensions=list(dimensions)))
    gates = supernet.architecture
    cost = build_cost({"type": "macs", "target": 0.6}, gates.space, 3, (32, 32))
    objective = ArchitectureObjective(gates, WEIGHTS, regularizer, cost)
    optimizer = torch.optim.Adam(gates.parameters(), lr=0.5, weight_decay=1e-3)
    fixed = fixed_gates(dimensions)
    before = {gate: (gates.alive[gate].clone(), gates.probabilities()[gate].detach()) for gate in fixed}
    images = torch.randn(2, 3, 32, 32)
    for _ in range(4):
        loss, _ = objective(supernet(images)[-1].square().mean())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gates.shrink(0.5)
        exist = {gate: alive.any(dim=-1) for gate, alive in gates.alive.items()}
        for gate, (alive, p) in before.items():
            # a searched gate may remove whole groups of a fixed one
            assert torch.equal(gates.alive[gate][exist[gate]], alive[exist[gate]])
            assert torch.equal(gates.probabilities()[gate][exist[gate]], p[exist[gate]])
            assert gates.groups()[gate]["exist"] == gates.groups()[gate]["decided"]
        if regularizer == "ssr":  # no gradient at a decided group; others may move its α, without effect
            assert not any(bool(gates.alpha[gate].any()) for gate in fixed)
        assert_fixed(build_genotype(SPACE, gates.choice()), dimensions)
    searched = set(GATES) - fixed
    assert any(bool(gates.alpha[gate].detach().any()) for gate in searched), "searched gates must change"


def test_without_searched_dimensions_every_gate_is_decided_at_the_start():
    gates = SSRSupernet(**search_settings(dimensions=[])).architecture
    assert gates.decided
    assert gates.gates_decided() == 1.0
    assert gates.shrink(0.9) == 0


def test_groups_without_a_choice_do_not_count_as_decided():
    gates = SSRSupernet(**search_settings(dimensions=["depth"])).architecture
    assert gates.gates_decided() == 0.0, "operators and widths have no choice"
    gates.alive["depth"][0, 0] = False  # in a stage of two blocks
    assert gates.gates_decided() == 1 / len(SPACE.stages)


@pytest.mark.parametrize("dimensions", [(), ("mid_width",)], ids=["none", "mid_width"])
def test_a_search_of_some_dimensions_fixes_the_others(workplace, dimensions):
    workplace("run")
    config = experiment(dimensions=list(dimensions), epochs=1)
    for stage in range(2):
        search(config, DATASET, 0, stage)
    discretize(config, DATASET, 0)
    genotype = Genotype.read(paths.GENOTYPE.format(dataset=DATASET, seed=0))
    space = SearchSpace.from_settings(config["search"])
    assert_fixed(genotype, dimensions, space)
    record = read_json(paths.stage_metrics_path({}, DATASET, 0, 0))["history"][0]
    assert ("loss_architecture" in record) == bool(dimensions), "without a choice there is no architecture step"
    if not dimensions:
        assert record["gates_decided"] == 1.0
        full = {gate: np.zeros(space.gate_shape(gate)[:-1], dtype=int) for gate in GATES}
        for gate in ("depth", "mid_width", "out_width"):
            full[gate] += space.gate_shape(gate)[-1] - 1
        assert genotype.stages == build_genotype(space, full).stages
