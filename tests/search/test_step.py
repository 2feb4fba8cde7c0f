"""The two-phase step updates along the gradients of the definition, in double precision."""

import pytest
import torch
import torch.nn.functional as F
from double_supernet import build_model, build_step, phase_parameters, random_batch
from spaces import SPACE, random_survivors
from torch import Tensor, nn

from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.search.step import get_architecture

RATE = 1e-3
RATES = {"weights": RATE, "architecture": RATE}


def naive_norm(bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch normalization spelled out, without running statistics."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + bn.eps).sqrt() * bn.weight.view(-1, 1, 1) + bn.bias.view(-1, 1, 1)


def naive_loss(model: nn.Module, batch: dict) -> Tensor:
    """Cross-entropy of the supernet as the method defines it, option by option and mask by mask (method §2–4)."""
    supernet, head = model.backbone, model.decode_head
    p = supernet.architecture.probabilities()

    def reduce(block: nn.Module, x: Tensor) -> Tensor:
        return F.relu(naive_norm(block.bn, torch.cat([block.conv(x), F.max_pool2d(x, 2)], 1)))

    def mask(options: Tensor, stage: int, channels: int) -> Tensor:
        widths = SPACE.widths(stage)
        masks = [(torch.arange(channels) < width).double() for width in widths]
        return sum(q * m for q, m in zip(options, masks, strict=True)).view(-1, 1, 1)

    x, number = reduce(supernet.stem, torch.stack(batch["inputs"])), 0
    for index, (reduction, blocks) in enumerate(zip(supernet.reductions, supernet.stages, strict=True)):
        x = reduce(reduction, x)
        output = 0
        deepest = int(supernet.architecture.alive["depth"][index].nonzero().max())
        for k, block in enumerate(blocks[: deepest + 1]):
            mixture = 0
            for key, operator in block.operators.items():
                option = int(key)
                if not supernet.architecture.alive["operator"][number, option]:
                    continue
                resolution = SPACE.operators[option][1]
                y = F.max_pool2d(x, resolution)
                y = naive_norm(operator.bn1, operator.conv1(y)) * mask(
                    p["mid_width"][number, option], index, operator.mid
                )
                y = naive_norm(operator.bn2, operator.conv2(F.relu(y)))
                y = F.interpolate(y, size=x.shape[2:], mode="bilinear", align_corners=False)
                out = mask(p["out_width"][number, option], index, y.shape[1])
                mixture = mixture + p["operator"][number, option] * out * (y + x)
            x, number = F.relu(mixture), number + 1
            output = output + p["depth"][index, k] * x
        number += SPACE.stages[index].blocks - deepest - 1
        x = output
    labels = torch.stack([sample.gt_sem_seg.data for sample in batch["data_samples"]])
    labels = labels[:, 0, 4::8, 4::8]  # of the 8 pixels of a cell, the first after its center
    return F.cross_entropy(head.conv_seg(x), labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_phase_steps_along_the_gradient_of_the_definition(seed):
    model = build_model(seed)
    if seed:
        random_survivors(model.backbone, seed)
    named, parts = dict(model.named_parameters()), phase_parameters(model)
    step = build_step(model, RATES)
    for part, batch, take in (
        ("weights", random_batch(2), step.learn_weights),
        ("architecture", random_batch(3), step.learn_architecture),
    ):
        model.requires_grad_(True)
        loss = naive_loss(model, batch)
        loss = step.objective(loss)[0] if part == "architecture" else loss
        expected = torch.autograd.grad(loss, list(parts[part].values()), allow_unused=True)
        before = {name: value.detach().clone() for name, value in named.items()}
        losses = take(batch)
        torch.testing.assert_close(losses[f"loss_{part}"], loss.detach())
        assert any(gradient is not None and bool(gradient.any()) for gradient in expected)
        for (name, value), gradient in zip(parts[part].items(), expected, strict=True):
            moved = (before[name] - value.detach()) / RATE
            torch.testing.assert_close(moved, torch.zeros_like(moved) if gradient is None else gradient, msg=name,
                                       rtol=1e-6, atol=1e-8)  # fmt: skip
        for name, value in named.items():
            assert name in parts[part] or torch.equal(value, before[name]), f"{name} moved in the other phase"


def test_the_architecture_step_ends_when_every_gate_is_decided():
    model = build_model(0)
    architecture = get_architecture(model)
    step = build_step(model, RATES)
    assert set(step(random_batch(0), random_batch(1))) > {"loss_weights", "loss_architecture"}
    with architecture.one_hot():
        before = {gate: architecture.alpha[gate].detach().clone() for gate in GATES}
        assert set(step(random_batch(0), random_batch(1))) == {"loss_weights", "acc_seg"}
    assert all(torch.equal(before[gate], architecture.alpha[gate]) for gate in GATES)
