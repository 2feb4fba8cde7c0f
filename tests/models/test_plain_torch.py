"""The networks, compared with arithmetic written out here without any module of the project.

The supernet and the derived network both use `ssr_mmseg/models/operators.py`, so comparing them with each other would
not detect a change there. Kernels, dilations, constants and orders below are taken from the paper's sections on the
network and from the authors' released modules.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from spaces import SPACE, random_supernet, random_survivors
from torch import Tensor, nn

from ssr_mmseg import settings
from ssr_mmseg.models.decode_heads import AggregationHead, SearchHead
from ssr_mmseg.models.derived_network import SSRNet
from ssr_mmseg.models.operators import CandidateOperator
from ssr_mmseg.models.supernet import SSRSupernet
from ssr_mmseg.settings import paths

Weights = dict[str, Tensor]
PUBLISHED = (  # dilation, resolution, in, mid, out of each block
    ((1, 1, 64, 64, 64), (1, 1, 64, 60, 52), (1, 1, 52, 64, 44), (1, 1, 44, 60, 48)),
    (
        (4, 2, 128, 112, 124),
        (2, 1, 124, 128, 120),
        (1, 1, 120, 108, 116),
        (4, 1, 116, 124, 124),
        (8, 1, 124, 120, 120),
        (2, 1, 120, 124, 128),
        (8, 1, 128, 120, 124),
        (16, 1, 124, 100, 124),
        (2, 2, 124, 96, 124),
    ),
)


def under(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def norm(x: Tensor, weights: Weights) -> Tensor:
    """Batch normalization in evaluation mode, ε = 10⁻³."""
    scale = weights["weight"] / (weights["running_var"] + 0.001).sqrt()
    return (x - weights["running_mean"].view(-1, 1, 1)) * scale.view(-1, 1, 1) + weights["bias"].view(-1, 1, 1)


def moved(x: Tensor, pixels: int, axis: int) -> Tensor:
    """Return x shifted by `pixels` along an axis, with zeros beyond the border."""
    result = torch.zeros_like(x)
    length = x.shape[axis] - abs(pixels)
    if length > 0:
        result.narrow(axis, max(-pixels, 0), length).copy_(x.narrow(axis, max(pixels, 0), length))
    return result


def pointwise(x: Tensor, matrix: Tensor) -> Tensor:
    return torch.einsum("oc,bchw->bohw", matrix, x)


def three_taps(x: Tensor, weights: Weights, dilation: int, axis: int) -> Tensor:
    """Convolve by three taps, `dilation` pixels apart, along the height (axis 2) or the width (axis 3)."""
    kernel = weights["weight"].flatten(2)  # (outputs, inputs, 3)
    taps = [pointwise(moved(x, (k - 1) * dilation, axis), kernel[:, :, k]) for k in range(3)]
    return sum(taps) + weights["bias"].view(-1, 1, 1)


def operator(x: Tensor, weights: Weights, dilation: int, mid_mask: Tensor | float = 1.0) -> Tensor:
    """Convolve along the height first, then along the width; both dilated."""
    y = norm(three_taps(x, under(weights, "conv1."), dilation, axis=2), under(weights, "bn1.")) * mid_mask
    return norm(three_taps(F.relu(y), under(weights, "conv2."), dilation, axis=3), under(weights, "bn2."))


def bilinear(x: Tensor, size: torch.Size) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def reduction(x: Tensor, weights: Weights) -> Tensor:
    """Concatenate a 3×3 convolution of stride 2, as nine taps, with a 2×2 max-pool."""
    kernel, padded, bias = weights["conv.weight"], F.pad(x, (1, 1, 1, 1)), weights["conv.bias"].view(-1, 1, 1)
    height, width = x.shape[2:]
    taps = [
        pointwise(padded[:, :, i : i + height : 2, j : j + width : 2], kernel[:, :, i, j])
        for i in range(3)
        for j in range(3)
    ]
    return F.relu(norm(torch.cat([sum(taps) + bias, F.max_pool2d(x, 2)], dim=1), under(weights, "bn.")))


def block(x: Tensor, weights: Weights, dilation: int, resolution: int) -> Tensor:
    y = operator(F.max_pool2d(x, resolution) if resolution > 1 else x, weights, dilation)
    y = bilinear(y, x.shape[2:]) if resolution > 1 else y
    shared = min(x.shape[1], y.shape[1])
    return F.relu(torch.cat([y[:, :shared] + x[:, :shared], y[:, shared:]], dim=1))


def conv_norm_relu(x: Tensor, weights: Weights) -> Tensor:
    """Convolve by 1×1, or by 3×3 with zero padding, without a bias."""
    kernel = weights["0.weight"]
    offsets = [-1, 0, 1] if kernel.shape[2] == 3 else [0]
    taps = [
        pointwise(moved(moved(x, i, 2), j, 3), kernel[:, :, offsets.index(i), offsets.index(j)])
        for i in offsets
        for j in offsets
    ]
    return F.relu(norm(sum(taps), under(weights, "1.")))


def aggregation(half: Tensor, quarter: Tensor, eighth: Tensor, weights: Weights) -> Tensor:
    grids = []
    for number, grid in enumerate((1, 2, 3, 6, 9)):
        branch = under(weights, f"context.branches.{number}.")
        pooled = pointwise(F.adaptive_avg_pool2d(eighth, grid), branch["1.weight"][:, :, 0, 0])
        grids.append(bilinear(norm(pooled, under(branch, "2.")), eighth.shape[2:]))
    context = conv_norm_relu(torch.cat([*grids, eighth], dim=1), under(weights, "context.fuse."))
    detail = conv_norm_relu(torch.cat([quarter, F.avg_pool2d(half, 2)], dim=1), under(weights, "skip."))
    joined = torch.cat([bilinear(context, quarter.shape[2:]), detail], dim=1)
    logits = pointwise(conv_norm_relu(joined, under(weights, "fuse.")), weights["conv_seg.weight"][:, :, 0, 0])
    return logits + weights["conv_seg.bias"].view(-1, 1, 1)


def published_network() -> nn.ModuleDict:
    backbone = SSRNet(str(paths.PROJECT / "config/genotypes/paper_cityscapes.json"))
    settings = Config.fromfile(paths.PROJECT / "config/mmseg/_base_/models/ssrnet.py")["model"]["decode_head"]
    options = {key: value for key, value in settings.items() if key not in ("type", "loss_decode")}
    assert options["in_channels"] == list(backbone.widths)
    head = AggregationHead(**options | {"num_classes": 20})
    return nn.ModuleDict({"backbone": backbone, "head": head})


def randomize(network: nn.Module, seed: int) -> None:
    """Draw every weight and statistic, so that none has a value that hides an error."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.dim() == 4:
                value.normal_(0, value[0].numel() ** -0.5)
            elif "running_var" in name:
                value.uniform_(1e-3, 2e-3) if seed else value.uniform_(0.5, 2.0)  # small ones make ε matter
            elif value.is_floating_point():
                value.normal_()


@pytest.mark.parametrize("seed", [0, 1])
def test_the_published_network_equals_its_arithmetic(seed):
    network = published_network().double().eval()
    randomize(network, seed)
    weights = dict(network.state_dict())
    images = torch.randn(2, 3, 64, 96, dtype=torch.double)
    x = reduction(images, under(weights, "backbone.stem."))
    features = [x]
    for index, stage in enumerate(PUBLISHED):
        x = reduction(x, under(weights, f"backbone.reductions.{index}."))
        for number, (dilation, resolution, *_) in enumerate(stage):
            x = block(x, under(weights, f"backbone.stages.{index}.{number}.operator."), dilation, resolution)
        features.append(x)
    expected = aggregation(*features, under(weights, "head."))
    with torch.no_grad():
        computed = network["backbone"](images)
        for ours, theirs in zip(computed, features, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9 * float(theirs.abs().max()))
        torch.testing.assert_close(
            network["head"](computed), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max())
        )


@pytest.mark.parametrize("seed", range(3))
def test_a_supernet_equals_its_arithmetic(seed):
    """Option by option: the weighted sum of every operator at every width, and of every depth."""
    supernet = random_supernet(seed)
    if seed:
        random_survivors(supernet, seed)
    weights, p = dict(supernet.state_dict()), supernet.architecture.probabilities()
    images = torch.randn(2, 3, 48, 64, dtype=torch.double)
    x, number = reduction(images, under(weights, "stem.")), 0

    def mask(options: Tensor, index: int, channels: int) -> Tensor:
        """Return Σₖ qₖ · (1 on the first widthₖ channels)."""
        prefixes = [(torch.arange(channels) < width).double() for width in SPACE.widths(index)]
        return sum(q * prefix for q, prefix in zip(options, prefixes, strict=True)).view(-1, 1, 1)

    with torch.no_grad():
        computed = supernet(images)
    for index, stage in enumerate(SPACE.stages):
        x = reduction(x, under(weights, f"reductions.{index}."))
        total = 0
        for k in range(stage.blocks):
            mixture = torch.zeros_like(x)
            for option, (dilation, resolution) in enumerate(SPACE.operators):
                if not p["operator"][number, option]:
                    continue
                part = under(weights, f"stages.{index}.{k}.operators.{option}.")
                mid = mask(p["mid_width"][number, option], index, len(part["conv1.bias"]))
                y = operator(F.max_pool2d(x, resolution), part, dilation, mid)
                y = bilinear(y, x.shape[2:]) + x
                mixture = (
                    mixture
                    + p["operator"][number, option] * mask(p["out_width"][number, option], index, stage.channels) * y
                )
            x, number = F.relu(mixture), number + 1
            total = total + p["depth"][index, k] * x
        x = total
        torch.testing.assert_close(computed[index + 1], x.detach(), rtol=1e-9, atol=1e-9)


def test_the_attributes_of_the_published_network():
    """Attributes that do not affect the arithmetic above: dropout, and the momentum of the statistics."""
    network = published_network()
    for index, (stage, rate) in enumerate(zip(PUBLISHED, (0.03, 0.3), strict=True)):
        blocks = network["backbone"].stages[index]
        assert len(blocks) == len(stage)
        for built, (d, resolution, inputs, mid, out) in zip(blocks, stage, strict=True):
            first, second = built.operator.conv1, built.operator.conv2
            assert (first.in_channels, first.out_channels) == (inputs, mid)
            assert (second.in_channels, second.out_channels) == (mid, out)
            assert (first.kernel_size, first.dilation, first.padding) == ((3, 1), (d, 1), (d, 0))
            assert (second.kernel_size, second.dilation, second.padding) == ((1, 3), (1, d), (0, d))
            assert first.bias is not None
            assert second.bias is not None
            assert (built.resolution, built.operator.dropout) == (resolution, rate)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 3 + 2 * 13 + 5 + 3
    assert {(bn.eps, bn.momentum, bn.affine, bn.track_running_stats) for bn in norms} == {(1e-3, 0.1, True, True)}
    head = network["head"]
    assert [branch[0].output_size for branch in head.context.branches] == [1, 2, 3, 6, 9]
    assert [branch[1].out_channels for branch in head.context.branches] == [40] * 5
    dropouts = {name: m.p for name, m in head.named_modules() if isinstance(m, nn.Dropout2d)}
    assert dropouts == {"context.fuse.3": 0.1, "fuse.3": 0.1}
    assert (head.skip[0].out_channels, head.fuse[0].out_channels, head.conv_seg.out_channels) == (64, 128, 20)
    biased = {name for name, m in head.named_modules() if isinstance(m, nn.Conv2d) and m.bias is not None}
    assert biased == {"conv_seg"}, "a convolution before a normalization has no bias"


def test_the_attributes_of_the_papers_supernet():
    search = settings.read_config(paths.PROJECT / "config/cityscapes.yaml")["search"]
    supernet = SSRSupernet(search["space"], search["dimensions"], search["gate"])
    assert [len(stage) for stage in supernet.stages] == [6, 11]
    for stage, channels, rate in zip(supernet.stages, (64, 128), (0.03, 0.3), strict=True):
        for built in stage:
            operators = list(built.operators.values())
            assert [o.conv1.dilation[0] for o in operators] == [1, 2, 4, 8, 16] * 2
            assert built.options == {1: [0, 1, 2, 3, 4], 2: [5, 6, 7, 8, 9]}
            assert {(o.conv1.in_channels, o.mid, o.conv2.out_channels, o.dropout) for o in operators} == {
                (channels, channels, channels, rate)
            }
    norms = [module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(bn.eps, bn.momentum) for bn in norms} == {(1e-3, 0.1)}
    assert SearchHead(128, num_classes=20, align_corners=False).dropout is None
    for gate in supernet.architecture.alpha.values():
        assert not gate.any(), "α starts at 0"


def test_channel_dropout_drops_whole_channels_at_its_rate():
    """Each image's channels are kept or dropped as a whole, and the kept ones are scaled up (inverted dropout)."""
    layer = CandidateOperator(4, 4, 400, 1, 0.3).train()
    torch.manual_seed(0)
    noise = layer.noise(50, torch.zeros(50, 400, 3, 3))
    assert noise.shape == (50, 400, 1, 1)
    assert np.unique(noise.numpy()).tolist() == pytest.approx([0, 1 / 0.7])
    assert float((noise == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert bool((noise[0] != noise[1]).any()), "each image has its own noise"
    assert layer.eval().noise(50, noise) is None
