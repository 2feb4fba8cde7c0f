"""The figures that a search stage reports besides its mIoU."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from spaces import SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import build_genotype
from ssr_mmseg.costs.macs_formulas import genotype_macs
from ssr_mmseg.stages.search import dimensions_alive, rounded_macs

EXPERIMENT = SimpleNamespace(classes=5, size=(32, 64))


def random_gates(seed: int) -> ArchitectureParameters:
    architecture = ArchitectureParameters(SPACE)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for alpha in architecture.alpha.values():
            alpha.copy_(2 * torch.randn(alpha.shape, generator=generator))
    return architecture


@given(st.integers(0, 2**16), st.floats(0.05, 0.95))
def test_a_dilation_or_resolution_survives_with_any_operator_of_its_block(seed, threshold):
    architecture = random_gates(seed)
    architecture.shrink(threshold)
    alive = architecture.alive["operator"]
    survivors = [[SPACE.operators[option] for option in block.nonzero().ravel().tolist()] for block in alive]
    counts = dimensions_alive(architecture)
    assert counts["dilation"] == sum(len({dilation for dilation, _ in block}) for block in survivors)
    assert counts["resolution"] == sum(len({resolution for _, resolution in block}) for block in survivors)
    for gate in ("depth", "mid_width", "out_width"):
        assert counts[gate] == architecture.options_alive()[gate]


@pytest.mark.parametrize("seed", range(3))
def test_the_expected_cost_of_one_hot_gates_is_the_networks(seed):
    architecture = random_gates(seed)
    soft = rounded_macs(architecture, EXPERIMENT)
    genotype = build_genotype(SPACE, architecture.choice())
    with architecture.one_hot():
        assert rounded_macs(architecture, EXPERIMENT) == genotype_macs(genotype, 5, (32, 64), head="search") != soft
