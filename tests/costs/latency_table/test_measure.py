"""Filling a table: what is measured, in what order, and what a stopped measurement leaves."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from latency_tables import CLASSES, key
from spaces import SPACE

from ssr_mmseg.architecture.genotype import genotype_of, random_choice
from ssr_mmseg.costs.latency_table import measure
from ssr_mmseg.costs.latency_table.measure import GROUP, fill, parts_of
from ssr_mmseg.costs.latency_table.modules import chain_of, deployed, input_of, module_of, runs_of
from ssr_mmseg.costs.latency_table.parts import BlockPart, block_parts, knots
from ssr_mmseg.costs.latency_table.table import LatencyTable


@pytest.fixture
def clockwork(monkeypatch):
    """Every part takes one ms per run of it, the machine is twice as slow in every other group."""
    groups = []

    def time_parts(parts, table, device):
        groups.append(parts)
        slowness = 1 + len(groups) % 2
        return np.array([[slowness * runs_of(part)] * 3 for part in parts], dtype=float)

    monkeypatch.setattr(measure, "time_parts", time_parts)
    return groups


def empty() -> LatencyTable:
    return LatencyTable(key(), points=2, networks=2)


def test_every_part_is_measured_against_the_same_reference(clockwork):
    table = empty()
    fill(table, SPACE, device=None, keep=lambda grown: None)
    assert set(table.entries) == {part.name((64, 96)) for part in parts_of(SPACE, table)}
    assert len({group[0] for group in clockwork}) == 1
    assert max(len(group) for group in clockwork) == 1 + GROUP
    assert set(table.entries.values()) == {2.0}, "as slow as the reference was at first"


def test_a_stopped_measurement_goes_on_where_it_stopped(clockwork):
    kept = []

    def stop(grown):
        kept.append(copy.deepcopy(grown))
        if len(kept) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill(empty(), SPACE, device=None, keep=stop)
    table = LatencyTable.from_dict(kept[-1].to_dict())
    assert len(table.entries) == 2 * GROUP
    before = {part for group in clockwork for part in group[1:]}
    clockwork.clear()
    fill(table, SPACE, device=None, keep=lambda grown: None)
    assert not before & {part for group in clockwork for part in group[1:]}
    assert set(table.entries.values()) == {2.0}
    clockwork.clear()
    fill(table, SPACE, device=None, keep=lambda grown: None)
    assert clockwork == []


def test_end_widths_and_as_many_points_as_asked_are_measured():
    assert knots(SPACE, "mid_width", 0, 2) == [14, 20]
    assert knots(SPACE, "mid_width", 0, 3) == [14, 18, 20]
    assert knots(SPACE, "mid_width", 1, 9) == [19, 22, 25, 28]
    parts = list(block_parts(SPACE, 2))
    assert len(parts) == len(set(parts)) == 2 * 4 * 3 * 2  # stages, operators, pairs of ends, mids


@pytest.mark.parametrize(("graph", "align"), [("trained", 1), ("deployed", 1), ("deployed", 16)])
def test_modules_run_on_their_inputs_and_give_back_what_their_parts_say(graph, align):
    for part in parts_of(SPACE, empty())[::7]:
        batch = input_of(part, (32, 64), align)
        with torch.no_grad():
            result = module_of(part, CLASSES, graph, align)(batch)
        if isinstance(part, BlockPart):
            assert result.shape == batch.shape
            assert batch.shape[1] == -(-part.narrow // align) * align
        else:
            assert result.shape == (1, CLASSES, 32, 64)


def test_a_deployed_chain_is_the_chain_itself_in_padded_widths():
    part = BlockPart(0, 2, 2, 14, 18, 20)
    chain = chain_of(part).double().eval()
    x = torch.randn(1, 14, 8, 16, dtype=torch.float64)
    with torch.no_grad():
        found = deployed(chain, 14, 16)(F.pad(x, (0, 0, 0, 0, 0, 2)))
        torch.testing.assert_close(found[:, :14], chain(x), rtol=1e-9, atol=1e-9)
    assert not found[:, 14:].any()


def test_two_networks_have_two_names():
    drawn = {genotype_of(SPACE, random_choice(SPACE, np.random.default_rng(seed))) for seed in range(20)}
    names = {measure.random_parts(SPACE, 1, seed)[0].name((64, 96)) for seed in range(20)}
    assert len(names) == len({genotype.stages for genotype in drawn})
