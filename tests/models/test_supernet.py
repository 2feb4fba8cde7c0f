"""The supernet equals its definition, and the derived network if its gates are one-hot."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from spaces import SEARCH, SPACE, full_stages, random_supernet, random_survivors

from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.architecture.structure import structure_from_json, structure_to_json, surviving_structure
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.search.compaction import compact_weights, cut


def choose(seed: int, last_full: bool) -> dict[str, np.ndarray]:
    choice = random_choice(SPACE, np.random.default_rng(seed))
    if last_full:  # the last block of stage 1 has all channels, see method §2
        last = choice["depth"][0]
        choice["out_width"][last, choice["operator"][last]] = SPACE.width_options - 1
    return choice


def copy_weights(supernet: SSRSupernet, choice: dict, net: SSRNet) -> None:
    """Copy the chosen part of the supernet's weights to the derived network."""
    blocks = {f"stages.{stage}.{k}": n for n, (stage, k) in enumerate(SPACE.blocks)}
    source = supernet.state_dict()
    target = {}
    for name, value in net.state_dict().items():
        old = name
        for block, number in blocks.items():
            if name.startswith(f"{block}.operator."):
                old = name.replace("operator.", f"operators.{choice['operator'][number]}.")
        target[name] = cut(source[old], value.shape)
    net.load_state_dict(target)


@settings(max_examples=25)
@given(st.integers(0, 2**31 - 1), st.integers(4, 9), st.integers(4, 9))
def test_a_one_hot_supernet_equals_the_derived_network(seed, rows, columns):
    supernet = random_supernet(seed)
    choice = choose(seed, last_full=True)
    genotype = build_genotype(SPACE, choice)
    assert full_stages(genotype)
    net = SSRNet(genotype.to_dict()).double().eval()
    copy_weights(supernet, choice, net)
    images = torch.randn(2, 3, 8 * rows, 8 * columns, dtype=torch.double)
    with torch.no_grad(), supernet.architecture.one_hot(choice):
        for ours, theirs in zip(supernet(images), net(images), strict=True):
            torch.testing.assert_close(ours[:, : theirs.shape[1]], theirs)
            assert not bool(ours[:, theirs.shape[1] :].any())


def test_a_one_hot_supernet_trains_like_the_derived_network():
    """In training mode, batch statistics of the kept channels do not depend on the dropped ones."""
    supernet = random_supernet(1)
    choice = choose(1, last_full=True)
    net = SSRNet(build_genotype(SPACE, choice).to_dict()).double()
    copy_weights(supernet, choice, net)
    for module in [*supernet.modules(), *net.modules()]:
        if hasattr(module, "dropout"):
            module.dropout = 0.0
    images = torch.randn(3, 3, 64, 64, dtype=torch.double)
    supernet.train(), net.train()
    with supernet.architecture.one_hot(choice):
        ours, theirs = supernet(images)[-1], net(images)[-1]
    torch.testing.assert_close(ours[:, : theirs.shape[1]], theirs)


def naive_block(block, x, p, alive, mid_masks, out_masks):
    """Follow the definition, operator by operator: mask after BN, upsample, residual, out mask, weight, sum, ReLU."""
    total = 0
    for key, operator in block.operators.items():
        option = int(key)
        if not alive[option]:
            continue
        resolution = SPACE.operators[option][1]
        y = F.max_pool2d(x, resolution) if resolution > 1 else x
        y = operator.bn1(operator.conv1(y)) * mid_masks[option].view(-1, 1, 1)
        y = operator.bn2(operator.conv2(F.relu(y)))
        if resolution > 1:
            y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
        total = total + p[option] * (y + x) * out_masks[option].view(-1, 1, 1)
    return F.relu(total)


@pytest.mark.parametrize("training", [False, True])
def test_a_block_and_its_gradients_equal_the_definition(training):
    supernet = random_supernet(4)
    block = supernet.stages[1][0]
    for operator in block.operators.values():
        operator.dropout = 0.0
    block.train(training)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 28, 10, 14, dtype=torch.double, generator=generator)
    p, mid, out = (torch.rand(*shape, dtype=torch.double, generator=generator) for shape in [(4,), (4, 28), (4, 28)])
    alive = [True, False, True, True]
    results = []
    for function in (lambda *a: block(*a), lambda *a: naive_block(block, *a)):
        inputs = [value.clone().requires_grad_() for value in (x, p, mid, out)]
        y = function(inputs[0], inputs[1] * torch.tensor(alive), alive, inputs[2], inputs[3])
        wanted = [*inputs, *(q for o in ("0", "2", "3") for q in block.operators[o].parameters())]
        results.append((y, torch.autograd.grad(y.square().sum(), wanted)))
    (ours, our_gradients), (naive, naive_gradients) = results
    torch.testing.assert_close(ours, naive)
    for a, b in zip(our_gradients, naive_gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-7)


@settings(max_examples=20)
@given(st.integers(0, 2**31 - 1))
def test_compaction_does_not_change_the_output(seed):
    supernet = random_supernet(seed)
    random_survivors(supernet, seed)
    alive = {gate: value.numpy() for gate, value in supernet.architecture.alive.items()}
    structure = surviving_structure(SPACE, alive)
    assert structure_from_json(structure_to_json(structure)) == structure
    small = SSRSupernet(**SEARCH, structure=structure_to_json(structure)).double().eval()
    small.load_state_dict(compact_weights(supernet.state_dict(), small))
    images = torch.randn(2, 3, 64, 72, dtype=torch.double)
    with torch.no_grad():
        for before, after in zip(supernet(images), small(images), strict=True):
            torch.testing.assert_close(after, before)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in supernet.parameters())


def test_dead_channels_are_exact_zeros():
    supernet = random_supernet(7)
    with torch.no_grad(), supernet.architecture.one_hot(choose(7, last_full=False)):
        choice = supernet.architecture.choice()
        features = supernet(torch.randn(1, 3, 64, 64, dtype=torch.double))
        genotype = build_genotype(SPACE, choice)
        for feature, stage in zip(features[1:], genotype.stages, strict=True):
            assert not bool(feature[:, stage.blocks[-1].out :].any())


def test_a_tensor_cannot_be_cut_to_a_larger_shape():
    with pytest.raises(ValueError, match="cannot cut"):
        cut(torch.zeros(3, 4), torch.Size([3, 5]))
