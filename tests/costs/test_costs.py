"""Properties of every cost, and the refusal of targets out of reach."""

import numpy as np
import pytest
from latency_tables import CLASSES, SIZE, synthetic
from spaces import SEARCH, SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import build_genotype, find_choice, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import extremes
from ssr_mmseg.costs.macs_formulas import expected_macs, genotype_macs, reference_macs
from ssr_mmseg.utils.errors import UserError

TARGETS = {"macs": {"target": 0.9}, "latency": {"target_ms": 9.0}}  # within reach


@pytest.fixture
def table(tmp_path):
    synthetic(SPACE).write(tmp_path / "table.json")
    return tmp_path / "table.json"


def section(name: str, share: float = 1.0, **more) -> dict:
    """A section `search.cost` whose target is a share of one within reach."""
    return {"type": name, **{key: share * target for key, target in TARGETS[name].items()}, **more}


@pytest.fixture(params=sorted(TARGETS))
def cost(request, table):
    return build_cost(section(request.param), SPACE, CLASSES, SIZE, table)


def test_one_hot_gates_cost_what_the_network_costs(cost):
    for seed in range(10):
        genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed)))
        gates = ArchitectureParameters(SPACE).double()
        with gates.one_hot(find_choice(SPACE, genotype)):
            assert float(cost.expected(gates.probabilities())) == pytest.approx(cost.of(genotype), rel=1e-9)


def test_extremes_bound_random_networks_and_the_reference(cost):
    low, high = map(cost.of, extremes(SPACE, cost.of))
    costs = [cost.of(build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed)))) for seed in range(200)]
    assert low <= min(costs) < max(costs) <= high
    assert low < cost.reference <= high


def test_the_cost_macs_uses_the_formulas_with_the_search_head():
    cost = build_cost(section("macs"), SPACE, CLASSES, SIZE)
    gates = ArchitectureParameters(SPACE)
    genotype = build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(0)))
    assert cost.reference == reference_macs(SPACE, CLASSES, SIZE)
    assert cost.target == 0.9 * cost.reference
    assert cost.of(genotype) == genotype_macs(genotype, CLASSES, SIZE, "search")
    expected = expected_macs(SPACE, gates.probabilities(), CLASSES, SIZE)
    assert float(cost.expected(gates.probabilities()).detach()) == float(expected.detach())


@pytest.mark.parametrize("cost_type", sorted(TARGETS))
@pytest.mark.parametrize(("share", "name"), [(0.01, "cheapest"), (100, "most expensive")])
def test_a_target_out_of_reach_is_one_line(table, cost_type, share, name):
    with pytest.raises(UserError, match=f"out of reach: the {name} network of the space costs") as caught:
        build_cost(section(cost_type, share, hold=1), SPACE, CLASSES, SIZE, table)
    assert "\n" not in str(caught.value)
    aimed = build_cost(section(cost_type, share, hold=None), SPACE, CLASSES, SIZE, table)
    assert aimed.target > 0, "a target without hold need not be reachable"


def test_the_target_of_a_search_of_one_dimension_need_not_be_reachable():
    space = SearchSpace.from_settings({**SEARCH, "dimensions": ["dilation"]})
    assert build_cost(section("macs", 0.01, hold=1), space, CLASSES, SIZE).target > 0


@pytest.mark.parametrize(
    ("classes", "size", "message"),
    [
        (CLASSES, (64, 64), r"expected size \[64, 64\], found \[64, 96\]"),
        (19, SIZE, "expected classes 19, found 11"),
    ],
)
def test_a_table_for_another_input_is_refused_in_one_line(table, classes, size, message):
    with pytest.raises(UserError, match=message) as caught:
        build_cost(section("latency"), SPACE, classes, size, table)
    assert "\n" not in str(caught.value)


def test_unknown_costs_and_missing_tables_are_one_line(tmp_path):
    with pytest.raises(UserError, match="unknown cost 'watt'; choose one of: latency, macs"):
        build_cost({"type": "watt", "target": 3}, SPACE, CLASSES, SIZE)
    with pytest.raises(UserError, match="needs a latency table, found none; make one with ssr-mmseg latency-table"):
        build_cost(section("latency"), SPACE, CLASSES, SIZE)
    with pytest.raises(UserError, match="could not read"):
        build_cost(section("latency"), SPACE, CLASSES, SIZE, tmp_path / "absent.json")
