"""Kinds of cost: one interface, and targets that no network reaches."""

import numpy as np
import pytest
from latency_tables import CLASSES, SIZE, synthetic
from spaces import SEARCH, SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import choice_of, genotype_of, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs import build_cost
from ssr_mmseg.costs.base import extremes
from ssr_mmseg.costs.macs_formulas import expected_macs, genotype_macs, reference_macs
from ssr_mmseg.settings.cost_targets import TARGETS
from ssr_mmseg.utils.errors import UserError

REACHED = {"macs": 0.9, "latency": 9.0}


@pytest.fixture
def table(tmp_path):
    synthetic(SPACE).write(tmp_path / "table.json")
    return tmp_path / "table.json"


def section(kind: str, target: float) -> dict:
    return {"kind": kind, TARGETS[kind][0]: target}


@pytest.fixture(params=sorted(TARGETS))
def cost(request, table):
    return build_cost(section(request.param, REACHED[request.param]), SPACE, CLASSES, SIZE, table)


def test_one_hot_gates_cost_what_the_network_costs(cost):
    for seed in range(10):
        genotype = genotype_of(SPACE, random_choice(SPACE, np.random.default_rng(seed)))
        gates = ArchitectureParameters(SPACE).double()
        with gates.one_hot(choice_of(SPACE, genotype)):
            assert float(cost.expected(gates.probabilities())) == pytest.approx(cost.of(genotype), rel=1e-9)


def test_cheapest_and_dearest_bound_random_networks_and_the_reference(cost):
    low, high = (cost.of(genotype) for genotype in extremes(SPACE, cost))
    costs = [cost.of(genotype_of(SPACE, random_choice(SPACE, np.random.default_rng(seed)))) for seed in range(200)]
    assert low <= min(costs) < max(costs) <= high
    assert low < cost.reference <= high


def test_macs_are_counted_as_before():
    cost = build_cost(section("macs", 0.9), SPACE, CLASSES, SIZE)
    gates = ArchitectureParameters(SPACE)
    genotype = genotype_of(SPACE, random_choice(SPACE, np.random.default_rng(0)))
    assert cost.reference == reference_macs(SPACE, CLASSES, SIZE)
    assert cost.target == 0.9 * cost.reference
    assert cost.of(genotype) == genotype_macs(genotype, CLASSES, SIZE, "search")
    expected = expected_macs(SPACE, gates.probabilities(), CLASSES, SIZE)
    assert float(cost.expected(gates.probabilities()).detach()) == float(expected.detach())


@pytest.mark.parametrize("kind", sorted(TARGETS))
@pytest.mark.parametrize(("share", "name"), [(0.01, "cheapest"), (100, "dearest")])
def test_a_target_out_of_reach_is_one_line(table, kind, share, name):
    asked = section(kind, REACHED[kind] * share)
    with pytest.raises(UserError, match=f"out of reach: the {name} network of the space comes to") as caught:
        build_cost({**asked, "hold": 1}, SPACE, CLASSES, SIZE, table)
    assert "\n" not in str(caught.value)
    assert build_cost({**asked, "hold": None}, SPACE, CLASSES, SIZE, table).target > 0, "it is only aimed at"


def test_a_search_of_one_dimension_takes_what_it_gets():
    space = SearchSpace.from_settings({**SEARCH, "dimensions": ["dilation"]})
    assert build_cost({**section("macs", 0.01), "hold": 1}, space, CLASSES, SIZE).target > 0


@pytest.mark.parametrize(
    ("classes", "size", "message"),
    [(CLASSES, (64, 64), r"for size \[64, 96\], not \[64, 64\]"), (19, SIZE, "for classes 11, not 19")],
)
def test_a_table_for_another_input_is_refused_in_one_line(table, classes, size, message):
    with pytest.raises(UserError, match=message) as caught:
        build_cost(section("latency", 9.0), SPACE, classes, size, table)
    assert "\n" not in str(caught.value)


def test_unknown_kinds_and_missing_tables_are_one_line(tmp_path):
    with pytest.raises(UserError, match="unknown kind of cost watt; known are: latency, macs"):
        build_cost({"kind": "watt"}, SPACE, CLASSES, SIZE)
    with pytest.raises(UserError, match="needs a latency table; make one with ssr-mmseg latency-table"):
        build_cost(section("latency", 9.0), SPACE, CLASSES, SIZE)
    with pytest.raises(UserError, match="could not read"):
        build_cost(section("latency", 9.0), SPACE, CLASSES, SIZE, tmp_path / "absent.json")
