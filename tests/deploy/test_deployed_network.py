"""Every rewrite of the deployed network equals the modules that it replaces, in double precision."""

import copy

import pytest
import torch
import torch.nn.functional as F
from deployed_networks import frames, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.deploy.conv_rewrites import OFF, make_conv, pad_conv, round_up, scale_and_shift
from ssr_mmseg.deploy.deployed_network import DeployedGrids, DeployedHead, DeployedNetwork, DeployedReduction
from ssr_mmseg.deploy.pooling_matrices import pooling_matrix, resizing_matrix
from ssr_mmseg.models.operators import ReductionBlock

EXACT = {"rtol": 1e-9, "atol": 1e-9}
GRIDS = st.lists(st.integers(1, 12), min_size=1, max_size=4)


@settings(max_examples=60)
@given(side=st.integers(1, 70), grids=GRIDS)
def test_pooling_matrix_is_adaptive_pooling(side, grids):
    x = torch.randn(1, 2, side, dtype=torch.double)
    pooled = torch.cat([F.adaptive_avg_pool1d(x, grid) for grid in grids], dim=2)
    torch.testing.assert_close(x @ pooling_matrix(side, grids, x).T, pooled, **EXACT)


@settings(max_examples=60)
@given(side=st.integers(1, 70), grids=GRIDS)
def test_resizing_matrix_is_linear_interpolation(side, grids):
    parts = [torch.randn(1, 2, grid, dtype=torch.double) for grid in grids]
    resized = sum(F.interpolate(part, size=side, mode="linear") for part in parts)
    matrix = resizing_matrix(side, grids, parts[0])
    torch.testing.assert_close(torch.cat(parts, dim=2) @ matrix.T, resized, **EXACT)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_matrices_of_half_precision_are_computed_in_float32_and_rounded(dtype):
    for build in (pooling_matrix, resizing_matrix):
        half, full = build(300, [2, 9], torch.zeros(1, dtype=dtype)), build(300, [2, 9], torch.zeros(1))
        assert torch.equal(half, full.to(dtype))


def test_padding_ignores_added_inputs_and_adds_zero_outputs():
    source = nn.Conv2d(5, 6, (3, 1), padding=(2, 0), dilation=(2, 1)).double()
    x = torch.randn(1, 8, 9, 7, dtype=torch.double)
    y = pad_conv(source, 8, 10, off=range(8, 10))(x)
    torch.testing.assert_close(y[:, :6], source(x[:, :5]), **EXACT)
    assert torch.equal(y[:, 6:8], torch.zeros_like(y[:, 6:8]))
    assert torch.equal(F.relu(y[:, 8:] + 1e6), torch.zeros_like(y[:, 8:]))
    assert F.relu(torch.tensor(OFF).to(torch.bfloat16) + 1e6) == F.relu(torch.tensor(OFF).half() + 6e4) == 0


def test_scale_and_shift_equal_batch_norm():
    norm = nn.BatchNorm2d(4).double().eval()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 2)
    scale, shift = scale_and_shift(norm)
    x = torch.randn(2, 4, 3, 3, dtype=torch.double)
    torch.testing.assert_close(x * scale.view(4, 1, 1) + shift.view(4, 1, 1), norm(x), **EXACT)


@pytest.mark.parametrize(("inputs", "outputs", "align"), [(3, 16, 1), (3, 16, 16), (8, 24, 8), (12, 20, 8)])
def test_reduction(inputs, outputs, align):
    block = ReductionBlock(inputs, outputs).double().eval()
    block.bn.running_mean.normal_()
    block.bn.weight.data.uniform_(-1, 1)
    padding = round_up(inputs, align) - inputs if inputs > 3 else 0
    deployed = DeployedReduction(block, inputs + padding, align)
    x = torch.randn(2, inputs, 8, 12, dtype=torch.double)
    y = deployed(F.pad(x, (0, 0, 0, 0, 0, padding)))
    torch.testing.assert_close(y[:, :outputs], block(x), **EXACT)
    assert y.shape[1] == round_up(outputs, align)
    assert not y[:, outputs:].any()


@pytest.mark.parametrize("size", [(5, 7), (12, 16), (64, 9)])
def test_grids_and_direct_path_equal_the_pyramid(size):
    pyramid = random_network(3).double().head.context
    x = torch.randn(2, pyramid.branches[0][1].in_channels, *size, dtype=torch.double)
    torch.testing.assert_close(F.relu(DeployedGrids(pyramid, x.shape[1])(x)), pyramid(x), **EXACT)


def test_head():
    network = random_network(4).double()
    features = network.backbone(frames(0, 2, 3, 48, 80).double())
    deployed = DeployedHead(network.head, network.backbone.widths)
    torch.testing.assert_close(deployed(*features), network.head(features), **EXACT)


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    align=st.sampled_from([1, 8, 16]),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    dynamic=st.booleans(),
)
def test_network(seed, align, size, dynamic):
    network = random_network(seed).double()
    images = frames(seed, 2, 3, 8 * size[0], 8 * size[1]).double()
    deployed = DeployedNetwork(network.backbone, network.head, align, dynamic)
    with torch.inference_mode():
        torch.testing.assert_close(deployed(images), network(images), rtol=1e-7, atol=1e-7)


def test_channels_removed_by_narrowing_stay_removed():
    """Narrow, then widen within one padded width: the residual must not carry the removed channels."""
    blocks = tuple(Block(1, resolution, 16, out) for out, resolution in ((12, 1), (16, 1), (10, 2), (15, 1)))
    network = random_network(7, Genotype((Stage(20, blocks), Stage(32, (Block(2, 1, 20, 32),))))).double()
    images = frames(1, 1, 3, 48, 64).double()
    deployed = DeployedNetwork(network.backbone, network.head, align=16)
    with torch.inference_mode():
        torch.testing.assert_close(deployed(images), network(images), rtol=1e-7, atol=1e-7)


def test_the_trained_network_is_unchanged():
    network = random_network(5)
    before = copy.deepcopy(network.state_dict())
    network.train()
    DeployedNetwork(network.backbone, network.head, align=16)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_make_conv_keeps_groups_and_geometry():
    like = nn.Conv2d(4, 4, 3, stride=2, padding=1, dilation=1)
    conv = make_conv(torch.ones(4, 1, 3, 3), None, like, groups=4)
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(conv(x), F.conv2d(x, torch.ones(4, 1, 3, 3), None, 2, 1, 1, 4))
