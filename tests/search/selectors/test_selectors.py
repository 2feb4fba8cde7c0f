"""Every selector chooses a network of the space near the wanted cost, and the same one every time."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import build_genotype, find_choice, random_choice
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.search.selectors import SELECTORS, SelectionTask
from ssr_mmseg.search.selectors.random import RandomNetwork
from ssr_mmseg.search.selectors.uniform import NEAR, UniformNetwork, uniform_network
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.plugin_names import plugin_names

SPACE = SearchSpace.from_settings(settings.read_config(paths.PROJECT / settings.DEFAULTS)["search"])
NAMES = plugin_names("selector")
MACS = partial(genotype_macs, classes=11, size=(96, 192))


def task(target: float, seed: int = 1, draw: int = 1) -> SelectionTask:
    return SelectionTask(SPACE, target, MACS, seed, draw)


def cost_of_a_draw(seed: int) -> float:
    return MACS(build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [7, 8])
def test_a_selector_chooses_from_the_space_near_the_cost(name, seed):
    one = task(cost_of_a_draw(seed))
    genotype = SELECTORS.module_dict[name]().select(one)
    assert build_genotype(SPACE, find_choice(SPACE, genotype)).stages == genotype.stages
    assert one.distance(genotype) < 0.05
    assert SELECTORS.module_dict[name]().select(one) == genotype


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
    assert {(block.resolution, block.mid, block.out) for block in genotype.stages[1].blocks} == {(1, 64, 60)}


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
