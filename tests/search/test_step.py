"""The two-phase step updates by the gradients of the definition, in double precision."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from spaces import SEARCH, SPACE, random_survivors
from torch import Tensor, nn

from ssr_mmseg import registration
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.search.step import TwoPhaseStep, architecture_of, is_architecture
from ssr_mmseg.search_space import GATES

CLASSES, SIZE = 5, (48, 64)
assert registration.supernet  # imported for the registries
WEIGHTS = {"cross_entropy": 100, "operator": 30, "out_width": 15, "mid_width": 15, "depth": 15, "cost": 1}


def build_model(seed: int) -> nn.Module:
    """A segmentor with random α and normalisation parameters, without dropout, in double precision."""
    init_default_scope("mmseg")
    torch.manual_seed(seed)
    model = MODELS.build(
        {
            "type": "EncoderDecoder",
            "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [0.0] * 3, "std": [1.0] * 3, "size": SIZE},
            "backbone": {"type": "SSRSupernet", "search": SEARCH},
            "decode_head": {
                "type": "SearchHead",
                "in_channels": SPACE.stages[-1].channels,
                "num_classes": CLASSES,
                "align_corners": False,
                "loss_decode": {"type": "CrossEntropyLoss"},
            },
            "train_cfg": {},
            "test_cfg": {"mode": "whole"},
        }
    ).double()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if ".bn" in name or "alpha" in name:
                value.normal_()
    for module in model.modules():
        if hasattr(module, "dropout") and isinstance(module.dropout, float):
            module.dropout = 0.0
    return model.train()


def random_batch(seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for _ in range(2):
        sample = SegDataSample(metainfo={"img_shape": SIZE})
        sample.gt_sem_seg = PixelData(data=torch.randint(0, CLASSES, (1, *SIZE), generator=generator))
        samples.append(sample)
    images = [torch.randn(3, *SIZE, generator=generator).double() for _ in samples]
    return {"inputs": images, "data_samples": samples}


def naive_norm(bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Batch normalisation spelled out, which leaves the running statistics alone."""
    mean, variance = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    return (x - mean) / (variance + bn.eps).sqrt() * bn.weight.view(-1, 1, 1) + bn.bias.view(-1, 1, 1)


def naive_loss(model: nn.Module, batch: dict) -> Tensor:
    """The cross entropy of the supernet as the method defines it: option by option, mask by mask (method §2–4)."""
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
    labels = F.interpolate(labels.double(), scale_factor=1 / 8, mode="nearest").long().squeeze(1)
    return F.cross_entropy(head.conv_seg(x), labels)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_phase_steps_along_the_gradient_of_the_definition(seed):
    model = build_model(seed)
    architecture = architecture_of(model)
    if seed:
        random_survivors(model.backbone, seed)
    objective = ArchitectureObjective(architecture, WEIGHTS, "ssr", 0.6, CLASSES, SIZE)
    named = dict(model.named_parameters())
    parts = {
        "weights": {name: p for name, p in named.items() if not is_architecture(name)},
        "architecture": {name: p for name, p in named.items() if is_architecture(name)},
    }
    rate = 1e-3
    wrappers = {part: OptimWrapper(torch.optim.SGD(list(own.values()), rate)) for part, own in parts.items()}
    step = TwoPhaseStep(model, wrappers, objective)
    for part, batch, take in (
        ("weights", random_batch(2), step.learn_weights),
        ("architecture", random_batch(3), step.learn_architecture),
    ):
        model.requires_grad_(True)
        loss = naive_loss(model, batch)
        loss = objective(loss)[0] if part == "architecture" else loss
        expected = torch.autograd.grad(loss, list(parts[part].values()), allow_unused=True)
        before = {name: value.detach().clone() for name, value in named.items()}
        found = take(batch)
        torch.testing.assert_close(found[f"loss_{part}"], loss.detach())
        assert any(gradient is not None and bool(gradient.any()) for gradient in expected)
        for (name, value), gradient in zip(parts[part].items(), expected, strict=True):
            moved = (before[name] - value.detach()) / rate
            torch.testing.assert_close(moved, torch.zeros_like(moved) if gradient is None else gradient, msg=name,
                                       rtol=1e-6, atol=1e-8)  # fmt: skip
        for name, value in named.items():
            assert name in parts[part] or torch.equal(value, before[name]), f"{name} moved in the other phase"


def test_the_architecture_step_ends_when_every_gate_is_decided():
    model = build_model(0)
    architecture = architecture_of(model)
    objective = ArchitectureObjective(architecture, WEIGHTS, "ssr", 0.6, CLASSES, SIZE)
    groups: dict[str, list] = {"weights": [], "architecture": []}
    for name, parameter in model.named_parameters():
        groups["architecture" if is_architecture(name) else "weights"].append(parameter)
    wrappers = {part: OptimWrapper(torch.optim.SGD(own, 1e-3)) for part, own in groups.items()}
    step = TwoPhaseStep(model, wrappers, objective)
    assert set(step(random_batch(0), random_batch(1))) > {"loss_weights", "loss_architecture"}
    with architecture.one_hot():
        before = {gate: architecture.alpha[gate].detach().clone() for gate in GATES}
        assert set(step(random_batch(0), random_batch(1))) == {"loss_weights", "acc_seg"}
    assert all(torch.equal(before[gate], architecture.alpha[gate]) for gate in GATES)
