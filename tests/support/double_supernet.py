"""A double-precision supernet and its training step, so that gradients can be compared to the last digits."""

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from spaces import SEARCH, SPACE
from torch import nn

from ssr_mmseg.costs import build_cost
from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.search.step import TwoPhaseStep, get_architecture, is_architecture

CLASSES, SIZE = 5, (48, 64)
WEIGHTS = {"cross_entropy": 100, "operator": 30, "out_width": 15, "mid_width": 15, "depth": 15, "cost": 1}


def build_model(seed: int, dropout: bool = False, class_weight: list[float] | None = None) -> nn.Module:
    """Build a segmentor with random α and batch-norm parameters."""
    init_default_scope("mmseg")
    torch.manual_seed(seed)
    model = MODELS.build(
        {
            "type": "EncoderDecoder",
            "data_preprocessor": {"type": "SegDataPreProcessor", "mean": [0.0] * 3, "std": [1.0] * 3, "size": SIZE},
            "backbone": {"type": "SSRSupernet", **SEARCH},
            "decode_head": {
                "type": "SearchHead",
                "in_channels": SPACE.stages[-1].channels,
                "num_classes": CLASSES,
                "align_corners": False,
                "loss_decode": {"type": "CrossEntropyLoss", "class_weight": class_weight},
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
        if hasattr(module, "dropout") and isinstance(module.dropout, float) and not dropout:
            module.dropout = 0.0
    return model.train()


def random_batch(seed: int, images: int = 2, ignored: float = 0.0) -> dict:
    """Return random images and labels; a fraction k·`ignored` of the pixels of image k is unlabeled."""
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for k in range(images):
        sample = SegDataSample(metainfo={"img_shape": SIZE})
        labels = torch.randint(0, CLASSES, (1, *SIZE), generator=generator)
        labels[torch.rand((1, *SIZE), generator=generator) < k * ignored] = IGNORED
        sample.gt_sem_seg = PixelData(data=labels)
        samples.append(sample)
    inputs = [torch.randn(3, *SIZE, generator=generator).double() for _ in samples]
    return {"inputs": inputs, "data_samples": samples}


def phase_parameters(model: nn.Module) -> dict[str, dict[str, nn.Parameter]]:
    """Return the named parameters of the two phases."""
    parts: dict[str, dict[str, nn.Parameter]] = {"weights": {}, "architecture": {}}
    for name, parameter in model.named_parameters():
        parts["architecture" if is_architecture(name) else "weights"][name] = parameter
    return parts


def build_step(model: nn.Module, rates: dict[str, float], optimizer: type = torch.optim.SGD) -> TwoPhaseStep:
    """Build the training step of a model with the given learning rate per phase."""
    architecture = get_architecture(model)
    cost = build_cost({"type": "macs", "target": 0.6}, architecture.space, CLASSES, SIZE)
    objective = ArchitectureObjective(architecture, WEIGHTS, "ssr", cost)
    wrappers = {
        part: OptimWrapper(optimizer(list(parameters.values()), lr=rates[part]))
        for part, parameters in phase_parameters(model).items()
    }
    return TwoPhaseStep(model, wrappers, objective)
