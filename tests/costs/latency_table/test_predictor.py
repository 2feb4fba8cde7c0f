"""Predicted latency of a network, and its mean under the gates."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latency_tables import network_ms, padded_block_ms, padded_ms, synthetic
from spaces import SEARCH, SPACE

from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype, find_choice, random_choice
from ssr_mmseg.architecture.search_space import GATES, SearchSpace
from ssr_mmseg.costs.latency_table.predictor import LatencyModel
from ssr_mmseg.utils.errors import UserError

SEEDS = st.integers(0, 2**31 - 1)
MODEL = LatencyModel(SPACE, synthetic(SPACE))
COARSE = LatencyModel(SPACE, synthetic(SPACE, points=2))


def random_genotype(seed: int, space: SearchSpace = SPACE) -> Genotype:
    return build_genotype(space, random_choice(space, np.random.default_rng(seed)))


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([MODEL, COARSE]))
def test_a_network_is_the_sum_of_its_frame_and_its_blocks(seed, model):
    genotype = random_genotype(seed)
    assert model.of(genotype) == pytest.approx(network_ms(genotype), rel=1e-9)


@pytest.mark.parametrize("align", [2, 8, 16])
def test_predictions_have_steps_where_the_device_pads_widths(align):
    of, of_block = partial(padded_ms, align=align), partial(padded_block_ms, align=align)
    model = LatencyModel(SPACE, synthetic(SPACE, points=2, of=of, of_block=of_block, graph="deployed", align=align))
    for genotype in map(random_genotype, range(10)):
        assert model.of(genotype) == pytest.approx(of(genotype), rel=1e-9)


@pytest.mark.parametrize("points", [2, 4])
def test_the_frame_is_linear_in_the_end_width_and_never_falls(points):
    def tilted(by):
        def of(genotype):
            return network_ms(genotype) + sum(by * stage.blocks[-1].out for stage in genotype.stages)

        return LatencyModel(SPACE, synthetic(SPACE, points=points, of=of, networks=0))

    widths = np.array(SPACE.widths(0)) - SPACE.widths(0)[-1]
    flat, steep = tilted(-1.0), tilted(1.0)
    assert not flat.ends[0].any()
    np.testing.assert_allclose(steep.ends[0] - tilted(0.5).ends[0], 0.5 * widths)


@settings(max_examples=20)
@given(SEEDS, st.sampled_from([MODEL, COARSE]))
def test_expected_latency_at_one_hot_gates_equals_that_of_the_network(seed, model):
    genotype = random_genotype(seed)
    gates = ArchitectureParameters(SPACE).double()
    with gates.one_hot(find_choice(SPACE, genotype)):
        expected = model.expected(gates.probabilities())
    assert expected.item() == pytest.approx(model.of(genotype), rel=1e-9)


def test_expected_latency_at_soft_gates_is_the_mean_over_sampled_networks():
    torch.manual_seed(0)
    gates = ArchitectureParameters(SPACE).double()
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_(0, 2)
    gates.shrink(0.05)
    p = {gate: value.detach().numpy() for gate, value in gates.probabilities().items()}
    generator = np.random.default_rng(0)
    samples = []
    for _ in range(2000):
        choice = {gate: (p[gate].cumsum(-1) > generator.random((*p[gate].shape[:-1], 1))).argmax(-1) for gate in GATES}
        samples.append(MODEL.of(build_genotype(SPACE, choice)))
    expected = float(MODEL.expected(gates.probabilities()).detach())
    error = np.std(samples) / np.sqrt(len(samples))
    assert abs(np.mean(samples) - expected) < 4 * error
    assert error < 0.01 * expected


def test_every_gate_has_a_gradient_and_single_precision_suffices():
    gates = ArchitectureParameters(SPACE)
    expected = MODEL.expected(gates.probabilities())
    assert expected.dtype == torch.float32
    assert expected.item() == pytest.approx(MODEL.expected(gates.double().probabilities()).item(), rel=1e-5)
    gates.float().zero_grad()
    MODEL.expected(gates.probabilities()).backward()
    for gate in GATES:
        assert bool(gates.alpha[gate].grad.any())


def test_factors_fitted_to_whole_networks_correct_isolated_blocks():
    factors = (0.7, 1.4)
    true = partial(network_ms, factors=factors)
    model = LatencyModel(SPACE, synthetic(SPACE, of=true, networks=20))
    np.testing.assert_allclose(model.factors, factors, rtol=0.05)
    plain = LatencyModel(SPACE, synthetic(SPACE, of=true, networks=0))
    np.testing.assert_allclose(plain.factors, 1)
    genotypes = [random_genotype(seed) for seed in range(30)]
    errors = [[abs(m.of(g) / true(g) - 1) for g in genotypes] for m in (model, plain)]
    assert np.max(errors[0]) < 0.01 < np.max(errors[1])


def test_a_missing_part_is_named():
    table = synthetic(SPACE)
    missing = next(name for name in table.entries if name.startswith("block 16x24"))
    del table.entries[missing]
    with pytest.raises(UserError, match="the latency table lacks 'block 16x24, dilation 1, resolution 1") as caught:
        LatencyModel(SPACE, table)
    assert "\n" not in str(caught.value)


def test_an_operator_that_is_not_searched_has_no_latency():
    space = SearchSpace.from_settings({**SEARCH, "dimensions": ["depth", "mid_width"]})
    model = LatencyModel(space, synthetic(space))
    inside = random_genotype(0, space)
    assert model.of(inside) == pytest.approx(network_ms(inside), rel=1e-9)
    with pytest.raises(UserError, match="lacks operators of stage"):
        model.of(random_genotype(3))
