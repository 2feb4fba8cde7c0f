"""Masks cut off dead options: their parameters do not affect the output."""

import pytest
import torch
from spaces import SPACE, random_supernet, random_survivors

from ssr_mmseg.architecture.structure import surviving_structure
from ssr_mmseg.models.supernet import SSRSupernet

HUGE = 1e30


def dead_parts(supernet: SSRSupernet, statistics: bool) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Return views of the dead parameters: of whole operators, and of dead channels of the other operators.

    Operators are dead as a whole if their option has died or their block has been dropped.

    Args:
        statistics: Whether to include running means and variances.
    """
    alive = {gate: value.numpy() for gate, value in supernet.architecture.alive.items()}
    operators, channels = [], []
    for blocks, structures in zip(supernet.stages, surviving_structure(SPACE, alive), strict=True):
        for number, block in enumerate(blocks):
            structure = structures[number] if number < len(structures) else None
            for key, operator in block.operators.items():
                mid = structure.mids.get(int(key)) if structure else None
                if mid is None:
                    buffers = [buffer for buffer in operator.buffers() if buffer.is_floating_point()]
                    operators += [*operator.parameters(), *(buffers if statistics else [])]
                    continue
                channels += [operator.conv1.weight[:, structure.inputs :], operator.conv2.weight[:, mid:]]
                halves = ((operator.conv1, operator.bn1, mid), (operator.conv2, operator.bn2, structure.outputs))
                for conv, bn, width in halves:
                    tensors = [conv.weight, conv.bias, bn.weight, bn.bias]
                    tensors += [bn.running_mean, bn.running_var] if statistics else []
                    channels += [tensor[width:] for tensor in tensors]
    return operators, channels


@pytest.mark.parametrize("training", [False, True], ids=["evaluation", "training"])
@pytest.mark.parametrize("seed", range(4))
def test_parameters_of_dead_options_do_not_change_a_bit_of_the_output(seed, training):
    supernet = random_supernet(seed)
    random_survivors(supernet, seed)
    for module in supernet.modules():
        if hasattr(module, "dropout"):
            module.dropout = 0.0
    supernet.train(training)
    images = torch.randn(2, 3, 48, 64, dtype=torch.double)
    with torch.no_grad():
        before = supernet(images)
        operators, channels = dead_parts(supernet, statistics=True)
        assert operators
        assert any(part.numel() for part in channels)
        for part in channels:
            part.fill_(HUGE)
        for part in operators:
            part.fill_(float("nan"))
        for ours, theirs in zip(supernet(images), before, strict=True):
            assert torch.equal(ours, theirs)


@pytest.mark.parametrize("seed", range(4))
def test_dead_options_get_no_gradient(seed):
    supernet = random_supernet(seed)
    random_survivors(supernet, seed)
    images = torch.randn(2, 3, 48, 64, dtype=torch.double)
    sum(feature.square().mean() for feature in supernet(images)).backward()
    with torch.no_grad():
        for parameter in supernet.parameters():
            assert parameter.grad is None or bool(torch.isfinite(parameter.grad).all())
            parameter.copy_(torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)
    operators, channels = dead_parts(supernet, statistics=False)  # the parameters now hold their gradients
    assert not any(bool(part.any()) for part in [*operators, *channels])
    for gate, alive in supernet.architecture.alive.items():
        assert not bool(supernet.architecture.alpha[gate][~alive].any())


def test_channels_beyond_every_survivor_are_exact_zeros():
    supernet = random_supernet(5)
    widths = [SPACE.widths(stage)[1] for stage in range(2)]
    with torch.no_grad():
        supernet.architecture.alive["out_width"][..., 2:] = False  # of 4 options: the two widest die everywhere
        for blocks, width in zip(supernet.stages, widths, strict=True):
            for operator in [operator for block in blocks for operator in block.operators.values()]:
                for tensor in (operator.bn2.weight, operator.bn2.bias, operator.bn2.running_mean):
                    tensor[width:] = HUGE
        features = supernet(torch.randn(2, 3, 48, 64, dtype=torch.double))
    for feature, width in zip(features[1:], widths, strict=True):
        assert not bool(feature[:, width:].any())
        assert bool(feature[:, :width].any())
        assert bool(torch.isfinite(feature).all())
