import itertools
import math
from typing import get_args

import numpy as np
import pytest
import torch
from spaces import SPACE

from ssr_mmseg.architecture import search_space
from ssr_mmseg.architecture.genotype import build_genotype
from ssr_mmseg.architecture.search_space import DIMENSIONS, GATES, SearchSpace, StageSpace, dependents, searched_gates
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.settings.models.base import Dimension
from ssr_mmseg.utils.errors import UserError

PAPER = SearchSpace((StageSpace(6, 64, 4), StageSpace(11, 128, 4)))


def test_the_papers_space_has_the_papers_number_of_width_choices():
    assert PAPER.log10_size(("mid_width", "out_width")) == pytest.approx(math.log10(9) * 20 * 17)
    assert PAPER.describe()["log10_width_choices"] == 324.44


def test_the_size_of_the_space_includes_operators_and_depth():
    more = 17 * math.log10(10) + math.log10(6) + math.log10(11)
    assert PAPER.log10_size() == pytest.approx(PAPER.log10_size(("mid_width", "out_width")) + more)


def test_widths_are_those_of_the_method():
    assert PAPER.widths(0) == (32, 36, 40, 44, 48, 52, 56, 60, 64)
    assert PAPER.widths(1) == tuple(128 - reduction for reduction in (32, 28, 24, 20, 16, 12, 8, 4, 0))


def test_number_of_networks_equals_enumeration():
    space = SearchSpace((StageSpace(2, 18, 1), StageSpace(1, 20, 1)), (1,), (1, 2), width_options=2)
    groups = [(gate, index) for gate in GATES for index in np.ndindex(space.gate_shape(gate)[:-1])]
    networks = set()
    for options in itertools.product(*(np.flatnonzero(space.allowed(gate)[index]) for gate, index in groups)):
        choice = {gate: np.zeros(space.gate_shape(gate)[:-1], dtype=int) for gate in GATES}
        for (gate, index), option in zip(groups, options, strict=True):
            choice[gate][index] = option
        networks.add(build_genotype(space, choice))
    assert len(networks) == (8 + 8 * 8) * 8
    assert space.log10_networks() == pytest.approx(math.log10(len(networks)))


@pytest.mark.parametrize("dimension", ["depth", "dilation", "resolution", "mid_width", "out_width"])
def test_a_dimension_that_is_not_searched_has_one_option(dimension):
    searched = tuple(d for d in ("depth", "dilation", "resolution", "mid_width", "out_width") if d != dimension)
    space = SearchSpace(SPACE.stages, SPACE.dilations, SPACE.resolutions, SPACE.width_options, searched)
    if dimension in ("dilation", "resolution"):
        allowed = space.allowed("operator")[0]
        left = {pair for pair, is_allowed in zip(space.operators, allowed, strict=True) if is_allowed}
        expected = {(1, 1), (1, 2)} if dimension == "dilation" else {(1, 1), (3, 1)}
        assert left == expected
    else:
        counts = space.allowed(dimension).sum(axis=-1)
        assert set(counts[space.allowed(dimension).any(axis=-1)].tolist()) == {1}
        assert space.allowed(dimension)[..., -1].any()


def test_configurations_accept_every_dimension():
    assert get_args(Dimension) == DIMENSIONS


def test_the_groups_of_a_gate_depend_on_its_last_axis():
    assert dependents("depth") == ["operator"]
    assert dependents("operator") == ["mid_width", "out_width"]
    assert searched_gates(["resolution", "depth"]) == ["depth", "operator"]
    assert searched_gates([]) == []


def test_widths_below_one_are_refused():
    with pytest.raises(UserError, match=r"stage 1 .* reach zero"):
        SearchSpace((StageSpace(1, 24, 4), StageSpace(1, 128, 4)))


def test_a_stage_no_wider_than_the_one_before_is_refused():
    with pytest.raises(UserError, match=r"stage 2 .* expected more than the 64"):
        SearchSpace((StageSpace(1, 64, 4), StageSpace(1, 64, 4)))


@pytest.mark.parametrize(
    ("stages", "options", "what"),
    [
        (
            (StageSpace(256, 4095, 1), StageSpace(256, 4096, 1)),
            {},
            "weights of operators",
        ),
        (
            (StageSpace(6, 64, 4), StageSpace(11, 128, 4)),
            {"dilations": tuple(range(1, 1025))},
            "weights of operators",
        ),
        (
            (StageSpace(60, 4000, 1), StageSpace(60, 4001, 1)),
            {"width_options": 3900},
            "options, expected",
        ),
    ],
)
def test_a_space_that_would_fill_the_memory_is_refused(stages, options, what):
    with pytest.raises(UserError, match=what):
        SearchSpace(stages, **options)


def test_the_weights_are_those_of_the_supernets_operators(monkeypatch):
    supernet = SSRSupernet({"stages": [vars(stage) for stage in SPACE.stages], "dilations": SPACE.dilations,
                            "resolutions": SPACE.resolutions, "width_options": SPACE.width_options})  # fmt: skip
    convolutions = [module for module in supernet.stages.modules() if isinstance(module, torch.nn.Conv2d)]
    count = sum(module.weight.numel() for module in convolutions)
    monkeypatch.setattr(search_space, "MAX_WEIGHTS", count)
    SearchSpace(SPACE.stages, SPACE.dilations, SPACE.resolutions, SPACE.width_options)
    monkeypatch.setattr(search_space, "MAX_WEIGHTS", count - 1)
    with pytest.raises(UserError, match=f"has {count} weights"):
        SearchSpace(SPACE.stages, SPACE.dilations, SPACE.resolutions, SPACE.width_options)
