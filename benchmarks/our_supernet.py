"""Our supernet in the reference's search space, with the optimizers and losses of our configs, for measurements."""

from typing import Any

import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
from mmseg.structures import SegDataSample

from ssr_mmseg.costs import build_cost
from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.experiment.mmseg_config import read_mmseg_config
from ssr_mmseg.search.objective import ArchitectureObjective
from ssr_mmseg.search.step import TwoPhaseStep, get_architecture
from ssr_mmseg.settings import paths

CLASSES = 20
SPACE: dict[str, Any] = {
    "stages": [{"blocks": 5, "channels": 64, "width_step": 4}, {"blocks": 8, "channels": 128, "width_step": 4}],
    "dilations": [1, 2, 4, 8, 16],
    "resolutions": [1, 2],
    "width_options": 9,
}
BASES = paths.PROJECT / "config/mmseg/_base_"
SCHEDULES = {"fp32": "search.py", "tf32": "search.py", "bf16": "search_bf16.py"}


class OurStep:
    """One iteration of our search with every option alive, on one fixed batch.

    Args:
        size: Height and width of the images.
        batch: Number of images.
        device: `cpu` or `cuda`.
        precision: `fp32`, `tf32` or `bf16`.
    """

    def __init__(self, size: tuple[int, int], batch: int, device: str, precision: str) -> None:
        init_default_scope("mmseg")
        torch.manual_seed(0)
        schedule = read_mmseg_config(BASES / "schedules" / SCHEDULES[precision])
        model = read_mmseg_config(BASES / "models/supernet.py").to_dict()["model"]
        model["backbone"]["space"] = SPACE
        model["decode_head"] |= {"in_channels": SPACE["stages"][-1]["channels"], "num_classes": CLASSES}
        model["decode_head"]["loss_decode"]["class_weight"] = [1.0] * CLASSES
        model["data_preprocessor"] |= {"bgr_to_rgb": False, "size": size}
        self.model = MODELS.build(model).to(device).train()
        optimizers = OPTIM_WRAPPER_CONSTRUCTORS.build(
            {"type": schedule["optim_wrapper"].pop("constructor"), "optim_wrapper_cfg": schedule["optim_wrapper"]}
        )
        architecture = get_architecture(self.model)
        cost = build_cost({"type": "macs", "target": 0.6}, architecture.space, CLASSES, size)
        objective = ArchitectureObjective(architecture, schedule["train_cfg"]["objective"].to_dict(), "ssr", cost)
        self.step = TwoPhaseStep(self.model, optimizers(self.model), objective)
        self.batch = {
            "inputs": [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for _ in range(batch)],
            "data_samples": [_sample(size) for _ in range(batch)],
        }

    def __call__(self) -> None:
        self.step(self.batch, self.batch)


def _sample(size: tuple[int, int]) -> SegDataSample:
    sample = SegDataSample(metainfo={"img_shape": size})
    sample.gt_sem_seg = PixelData(data=torch.randint(0, CLASSES, (1, *size)))
    return sample
