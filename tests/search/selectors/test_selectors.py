"""Every selector chooses a network of the space near the wanted cost, and the same one every time."""

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from selection_tasks import MACS, SPACE, KnownSupernet, cost_of_a_draw, merit, task

from ssr_mmseg.architecture.genotype import build_genotype, find_choice
from ssr_mmseg.search.selection.candidates import Candidates
from ssr_mmseg.search.selection.neighbors import active_groups, draw_neighbor
from ssr_mmseg.search.selectors import SELECTORS
from ssr_mmseg.search.selectors.darts_pt import PerturbationSelection
from ssr_mmseg.search.selectors.evolution import Evolution
from ssr_mmseg.search.selectors.local_search import LocalSearch
from ssr_mmseg.search.selectors.random import RandomNetwork
from ssr_mmseg.search.selectors.random_search import RandomSearch
from ssr_mmseg.search.selectors.uniform import NEAR, UniformNetwork, uniform_network
from ssr_mmseg.settings import project_files
from ssr_mmseg.settings.plugin_names import class_arguments, class_literal, plugin_names
from ssr_mmseg.settings.selector_supernets import KINDS, supernet_of
from ssr_mmseg.utils.errors import UserError

NAMES = plugin_names("selector")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_selector_chooses_from_the_space_near_the_cost(name, seed):
    one = task(cost_of_a_draw(seed))
    genotype = SELECTORS.module_dict[name]().select(one)
    assert build_genotype(SPACE, find_choice(SPACE, genotype)).stages == genotype.stages
    assert one.distance(genotype) <= 0.02
    assert SELECTORS.module_dict[name]().select(task(cost_of_a_draw(seed))) == genotype


def test_random_networks_differ_by_seed_and_draw():
    target = cost_of_a_draw(3)
    chosen = [
        RandomNetwork(draws=300).select(task(target, *which)) for which in ((1, 1), (2, 1), (1, 2), (1, 3), (2, 2))
    ]
    assert len({genotype.stages for genotype in chosen}) == len(chosen)
    assert all(task(target).distance(genotype) < 0.02 for genotype in chosen)


@given(st.integers(0, 10_000))
def test_no_deeper_uniform_network_is_as_near(seed):
    one = task(cost_of_a_draw(seed))
    genotype = UniformNetwork().select(one)
    depth = sum(len(stage.blocks) for stage in genotype.stages)
    networks = [
        uniform_network(SPACE, (first, second), mid, out)
        for first in range(1, SPACE.stages[0].blocks + 1)
        for second in range(1, SPACE.stages[1].blocks + 1)
        for mid in range(SPACE.width_options)
        for out in range(SPACE.width_options)
        if abs(mid - out) <= 1
    ]
    near = [network for network in networks if one.distance(network) <= NEAR]
    if near:
        assert depth == max(sum(len(stage.blocks) for stage in network.stages) for network in near)
        assert one.distance(genotype) <= NEAR
    else:
        assert one.distance(genotype) == min(map(one.distance, networks))


def test_a_uniform_network_has_one_width_and_the_dilations_in_turn():
    genotype = uniform_network(SPACE, (3, 4), 8, 7)
    assert [[block.dilation for block in stage.blocks] for stage in genotype.stages] == [[1, 2, 4], [1, 2, 4, 8]]
    assert {(block.resolution, block.mid, block.out) for block in genotype.stages[1].blocks} == {(1, 64, 57)}


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("random", ("random", 1)),
        ("random_2", ("random", 2)),
        ("uniform_30", ("uniform", 30)),
        ("random_1", None),
        ("random_0", None),
        ("random_02", None),
        ("random_x", None),
        ("searched", None),
        ("erfnet", None),
        ("fast_scnn", None),
    ],
)
def test_the_name_of_a_network_tells_its_selector_and_draw(network, expected):
    assert project_files.selection(network) == expected


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_selection_ends_alike_and_measures_nothing_twice(name, tmp_path):
    trained, supernet = [], KnownSupernet(SPACE)

    def train(genotype, share):
        trained.append(genotype)
        return merit(genotype), 10.0

    budget = 35.0 if name == "random_search" else 0.0  # scores of the others take no time

    def run(candidates: Candidates) -> object:
        one = task(cost_of_a_draw(7), budget=budget, train=train, supernet=supernet, candidates=candidates)
        return SELECTORS.module_dict[name]().select(one)

    class Interrupted(Candidates):
        def score(self, key, measure):
            if len(self.history) == 3:
                raise KeyboardInterrupt
            return super().score(key, measure)

    whole = run(Candidates(tmp_path / "whole"))
    work, supernet = len(trained) + supernet.scored, KnownSupernet(SPACE)
    trained.clear()
    path = tmp_path / "cut"
    if work:
        with pytest.raises(KeyboardInterrupt):
            run(Interrupted(path))
        supernet.architecture = KnownSupernet(SPACE).architecture
    assert run(Candidates(path)) == whole
    assert len(trained) + supernet.scored == work


def test_random_search_takes_the_best_network_that_its_time_allows():
    trained = []

    def train(genotype, share):
        trained.append((genotype, share))
        return merit(genotype), 10.0

    best = RandomSearch(epochs=0.25).select(task(cost_of_a_draw(7), budget=64.0, train=train))
    assert len(trained) == 6  # the seventh would have needed 10 of the 4 seconds left
    assert {share for _, share in trained} == {0.25}
    assert merit(best) == max(merit(genotype) for genotype, _ in trained)
    assert len({genotype.stages for genotype, _ in trained}) == 6


@pytest.mark.parametrize("selector", [Evolution(population=8), LocalSearch(least=150)], ids=["evolution", "local"])
def test_selection_with_inherited_weights_finds_better_networks_than_draws(selector, monkeypatch):
    chosen, drawn = [], []
    for seed in range(4):
        if isinstance(selector, Evolution):  # until the known scores, which take no time, are 150
            monkeypatch.setattr(
                "ssr_mmseg.search.selection.inherited_scores.InheritedScores.exhausted",
                property(lambda scores: len(scores.task.candidates.history) >= 150),
            )
        one = task(cost_of_a_draw(7), seed=seed)
        chosen.append(merit(selector.select(one)))
        drawn += [merit(one.draw_network(one.draws(np.random.default_rng(k)), 0.02)) for k in range(5)]
    assert np.mean(chosen) > np.mean(drawn) + 2 * np.std(drawn)


def test_the_training_of_the_supernet_counts():
    supernet = KnownSupernet(SPACE, seconds=1000.0)
    Evolution(population=5).select(task(cost_of_a_draw(7), budget=999.0, supernet=supernet))
    assert supernet.scored <= 10  # the least: two populations, in which some networks may occur twice


def test_perturbation_keeps_the_options_whose_removal_costs_most():
    supernet = KnownSupernet(SPACE)
    deep = uniform_network(SPACE, (3, 4), 4, 4)
    network = PerturbationSelection(near=1.0).select(task(MACS(deep), supernet=supernet))
    blocks = [block for stage in network.stages for block in stage.blocks]
    assert {(block.dilation, block.resolution) for block in blocks} == {(2, 1)}
    assert merit(network) == 100
    assert supernet.calibrated > 0


def test_a_neighbor_has_the_cost_and_differs_in_a_few_groups_that_matter():
    one, generator = task(cost_of_a_draw(7)), np.random.default_rng(0)
    choice = find_choice(SPACE, one.draw_network(one.draws(generator), 0.01))
    seen = set()
    for _ in range(60):
        changed = draw_neighbor(one, choice, generator, 0.02, 3)
        different = sum(int((changed[gate] != choice[gate]).sum()) for gate in choice)
        assert 1 <= different <= 3
        assert one.distance(build_genotype(SPACE, changed)) <= 0.02
        assert build_genotype(SPACE, changed).stages != build_genotype(SPACE, choice).stages
        seen.add(build_genotype(SPACE, changed).stages)
    assert len(seen) > 20
    assert draw_neighbor(task(1.0), choice, generator, 0.02, 3) is None


def test_groups_that_matter_are_those_of_the_network():
    choice = find_choice(SPACE, uniform_network(SPACE, (2, 1), 3, 3))
    groups = active_groups(SPACE, choice)
    assert sum(gate == "depth" for gate, _ in groups) == 2
    assert [group for gate, group in groups if gate == "operator"] == [(0,), (1,), (4,)]
    assert sorted(group[0] for gate, group in groups if gate == "mid_width") == [0, 1, 4]
    assert all(group[1] == choice["operator"][group[0]] for gate, group in groups if gate == "out_width")


@pytest.mark.parametrize(
    ("selector", "arguments", "message"),
    [
        (RandomNetwork, {"near": -1}, "selector random: near is -1, expected a number from 0 to 1"),
        (RandomNetwork, {"draws": 0}, "selector random: draws is 0, expected an integer of at least 1"),
        (RandomSearch, {"epochs": 0}, "random_search: epochs is 0"),
        (Evolution, {"population": 1}, "evolution: population is 1, expected an integer of at least 2"),
        (Evolution, {"population": 4, "sample": 5}, "evolution: sample is 5, expected an integer from 1 to 4"),
        (LocalSearch, {"neighbors": 0}, "local_search: neighbors is 0"),
        (PerturbationSelection, {"near": 2}, "darts_pt: near is 2"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(selector, arguments, message):
    with pytest.raises(UserError, match=message):
        selector(**arguments)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_workflow_reads_from_the_source_is_what_the_class_has(name):
    selector = SELECTORS.module_dict[name]
    assert class_literal("selector", name, "supernet") == selector.supernet
    assert bool(class_literal("selector", name, "trains")) == selector.trains
    assert supernet_of(f"{name}_2") == selector.supernet
    assert selector.supernet is None or selector.supernet in KINDS
    assert class_arguments("selector", name) == tuple(inspect.signature(selector).parameters)


@pytest.mark.parametrize("selector", [Evolution(population=2, sample=1), LocalSearch(neighbors=50)])
def test_a_selection_ends_when_all_networks_within_reach_are_scored(selector, monkeypatch):
    monkeypatch.setattr("ssr_mmseg.search.selection.inherited_scores.REPEATS", 10)
    supernet = KnownSupernet(SPACE)
    choice = find_choice(SPACE, uniform_network(SPACE, (2, 2), 4, 4))
    monkeypatch.setattr("ssr_mmseg.search.selectors.evolution.draw_neighbor", lambda *_: choice)
    monkeypatch.setattr("ssr_mmseg.search.selectors.local_search.draw_neighbor", lambda *_: choice)
    selector.select(task(cost_of_a_draw(7), budget=1e9, supernet=supernet))
    assert supernet.scored < 200
