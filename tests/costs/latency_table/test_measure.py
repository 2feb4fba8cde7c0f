"""Measuring a table: which parts, in which order, and what an interrupted measurement saves."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from latency_tables import CLASSES, key
from spaces import SPACE

from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.costs.latency_table import measure
from ssr_mmseg.costs.latency_table.measure import GROUP, fill, list_parts
from ssr_mmseg.costs.latency_table.modules import build_chain, build_module, deploy_chain, make_input, runs_per_module
from ssr_mmseg.costs.latency_table.parts import BlockPart, block_parts, knots
from ssr_mmseg.costs.latency_table.table import LatencyTable


@pytest.fixture
def clockwork(monkeypatch):
    """Simulate 1 ms per run of any part, on a machine that is twice as slow in every other group."""
    groups = []

    def time_parts(parts, table, device):
        groups.append(parts)
        slowness = 1 + len(groups) % 2
        return np.array([[slowness * runs_per_module(part)] * 3 for part in parts], dtype=float)

    monkeypatch.setattr(measure, "time_parts", time_parts)
    return groups


def empty() -> LatencyTable:
    return LatencyTable(key(), points=2, networks=2)


def test_every_part_is_measured_against_the_same_reference(clockwork):
    table = empty()
    fill(table, SPACE, device=None, keep=lambda grown: None)
    assert set(table.entries) == {part.name((64, 96)) for part in list_parts(SPACE, table)}
    assert len({group[0] for group in clockwork}) == 1
    assert max(len(group) for group in clockwork) == 1 + GROUP
    assert set(table.entries.values()) == {2.0}, "scaled to the first latency of the reference"


def test_an_interrupted_measurement_is_resumed(clockwork):
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


def test_end_widths_and_the_given_number_of_points_are_measured():
    assert knots(SPACE, "mid_width", 0, 2) == [14, 20]
    assert knots(SPACE, "mid_width", 0, 3) == [14, 18, 20]
    assert knots(SPACE, "mid_width", 1, 9) == [19, 22, 25, 28]
    parts = list(block_parts(SPACE, 2))
    assert len(parts) == len(set(parts)) == 2 * 4 * 3 * 2  # stages, operators, pairs of end widths, mid widths


@pytest.mark.parametrize(("graph", "align"), [("trained", 1), ("deployed", 1), ("deployed", 16)])
def test_modules_map_their_inputs_to_outputs_of_the_expected_shape(graph, align):
    for part in list_parts(SPACE, empty())[::7]:
        batch = make_input(part, (32, 64), align)
        with torch.no_grad():
            result = build_module(part, CLASSES, graph, align)(batch)
        if isinstance(part, BlockPart):
            assert result.shape == batch.shape
            assert batch.shape[1] == -(-part.narrow // align) * align
        else:
            assert result.shape == (1, CLASSES, 32, 64)


def test_a_deployed_chain_equals_the_chain_in_padded_widths():
    part = BlockPart(0, 2, 2, 14, 18, 20)
    chain = build_chain(part).double().eval()
    x = torch.randn(1, 14, 8, 16, dtype=torch.float64)
    with torch.no_grad():
        y = deploy_chain(chain, 14, 16)(F.pad(x, (0, 0, 0, 0, 0, 2)))
        torch.testing.assert_close(y[:, :14], chain(x), rtol=1e-9, atol=1e-9)
    assert not y[:, 14:].any()


def test_different_networks_have_different_names():
    drawn = {build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed))) for seed in range(20)}
    names = {measure.random_parts(SPACE, 1, seed)[0].name((64, 96)) for seed in range(20)}
    assert len(names) == len({genotype.stages for genotype in drawn})
