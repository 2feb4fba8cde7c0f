import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SPACE
from torch.utils.flop_counter import FlopCounterMode

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype, find_choice, last_options, random_choice
from ssr_mmseg.architecture.search_space import GATES, SearchSpace, StageSpace
from ssr_mmseg.costs.macs_formulas import expected_macs, genotype_macs, reference_macs
from ssr_mmseg.models.decode_heads import AggregationHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.describe import describe_space, network_cost
from ssr_mmseg.utils.errors import UserError

SIZES = st.tuples(st.integers(8, 24).map(lambda k: 8 * k), st.integers(8, 24).map(lambda k: 8 * k))


def counted_macs(genotype: Genotype, classes: int, size: tuple[int, int]) -> int:
    backbone = SSRNet(genotype.to_dict()).eval()
    head = AggregationHead(backbone.widths, num_classes=classes, align_corners=False).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        head(backbone(torch.zeros(1, 3, *size)))
    return counter.get_total_flops() // 2


def random_genotype(seed: int, space: SearchSpace = SPACE) -> Genotype:
    return build_genotype(space, random_choice(space, np.random.default_rng(seed)))


def test_the_published_network_has_the_cost_in_the_paper():
    cost = network_cost(Genotype.read(paths.PROJECT / "config/genotypes/paper_cityscapes.json"), 20, (512, 1024))
    assert cost["params"] == 1_022_688  # 1.0 M in the paper
    assert cost["macs"] == 10_902_301_216  # 11.0 G in the paper


@settings(max_examples=8)
@given(st.integers(0, 2**31 - 1), SIZES, st.integers(2, 30))
def test_the_count_equals_torchs_count_on_the_built_network(seed, size, classes):
    genotype = random_genotype(seed)
    assert genotype_macs(genotype, classes, size) == counted_macs(genotype, classes, size)


@settings(max_examples=20)
@given(st.integers(0, 2**31 - 1), SIZES, st.sampled_from(["search", "aggregation"]))
def test_expected_cost_at_one_hot_gates_is_the_count(seed, size, head):
    genotype = random_genotype(seed)
    gates = ArchitectureParameters(SPACE).double()
    with gates.one_hot(find_choice(SPACE, genotype)):
        expected = expected_macs(SPACE, gates.probabilities(), 11, size, head)
    assert expected.item() == pytest.approx(genotype_macs(genotype, 11, size, head), rel=1e-12)


def test_expected_cost_at_soft_gates_is_the_mean_over_sampled_genotypes():
    torch.manual_seed(0)
    gates = ArchitectureParameters(SPACE).double()
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, 2)
    gates.shrink(0.05)
    p = {gate: value.detach().numpy() for gate, value in gates.probabilities().items()}
    generator = np.random.default_rng(0)
    samples = []
    for _ in range(3000):
        choice = {gate: (p[gate].cumsum(-1) > generator.random((*p[gate].shape[:-1], 1))).argmax(-1) for gate in GATES}
        samples.append(genotype_macs(build_genotype(SPACE, choice), 11, (64, 96), "search"))
    expected = float(expected_macs(SPACE, gates.probabilities(), 11, (64, 96)).detach())
    error = np.std(samples) / np.sqrt(len(samples))
    assert abs(np.mean(samples) - expected) < 4 * error
    assert error < 0.01 * expected


@pytest.mark.parametrize("head", ["search", "aggregation"])
def test_expected_cost_is_the_sum_over_all_networks(head):
    """Sum over every network of a small space, weighted by its probability; also for counts quadratic in a width."""
    space = SearchSpace((StageSpace(2, 20, 6), StageSpace(1, 28, 8)), dilations=(1,), width_options=3)
    torch.manual_seed(0)
    gates = ArchitectureParameters(space).double()
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, 2)
    p = {gate: value.detach().numpy() for gate, value in gates.probabilities().items()}
    expected, mass = 0.0, 0.0
    blocks = [range(3), range(3)]  # widths of a block, mid and out
    for depth in range(2):
        kept = [*range(depth + 1), 2]  # indices of the network's blocks, of three
        for operators in itertools.product(range(len(space.operators)), repeat=len(kept)):
            for widths in itertools.product(itertools.product(*blocks), repeat=len(kept)):
                probability, choice = p["depth"][0, depth] * p["depth"][1, 0], last_options(space)
                choice["depth"][:] = depth, 0
                for number, operator, (mid, out) in zip(kept, operators, widths, strict=True):
                    probability *= p["operator"][number, operator]
                    probability *= p["mid_width"][number, operator, mid] * p["out_width"][number, operator, out]
                    choice["operator"][number] = operator
                    choice["mid_width"][number, operator], choice["out_width"][number, operator] = mid, out
                expected += probability * genotype_macs(build_genotype(space, choice), 3, (16, 24), head)
                mass += probability
    assert mass == pytest.approx(1)
    macs = expected_macs(space, gates.probabilities(), 3, (16, 24), head).item()
    assert macs == pytest.approx(expected, rel=1e-12)


def test_reference_cost_is_that_of_the_full_chain():
    space = SearchSpace((StageSpace(5, 64, 4), StageSpace(8, 128, 4)))
    full = last_options(space)
    full["operator"][:] = 0
    full["depth"][:] = [4, 7]
    macs = reference_macs(space, 20, (512, 1024))
    assert macs == genotype_macs(build_genotype(space, full), 20, (512, 1024), "search")
    assert macs == pytest.approx(11.1e9, rel=0.005)  # the method's count for 5 + 8 blocks


def test_cost_has_gradients_for_every_gate():
    gates = ArchitectureParameters(SPACE)
    expected_macs(SPACE, gates.probabilities(), 11, (64, 128)).backward()
    for gate in GATES:
        assert bool(gates.alpha[gate].grad.any())


def test_the_cheapest_and_most_expensive_network_bound_random_ones():
    described = describe_space(SPACE, 11, (64, 128))
    low, high = described["cheapest"]["macs"], described["most_expensive"]["macs"]
    costs = [genotype_macs(random_genotype(seed), 11, (64, 128)) for seed in range(200)]
    assert low <= min(costs) < max(costs) <= high


@pytest.mark.parametrize("size", [(60, 64), (64, 0), (-8, 64)])
def test_sizes_that_do_not_divide_by_eight_are_refused(size):
    with pytest.raises(UserError, match="multiples of 8"):
        genotype_macs(random_genotype(0), 11, size)
