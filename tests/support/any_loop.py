"""Trainings of a small supernet by mmengine's loops and by this project's, with mmengine's ordinary `Runner`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image
from spaces import SEARCH, SPACE
from torch.utils.data import Dataset

from ssr_mmseg.experiment import register  # noqa: F401  # fills the registries
from ssr_mmseg.training.data.seeded_dataset import SeededDataset

CLASSES, SIZE = ("road", "sky", "tree"), (48, 64)
PALETTE = [[128, 64, 128], [70, 130, 180], [107, 142, 35]]
BATCH, STEPS, EPOCHS = 2, 2, 2  # images per iteration, iterations per epoch or period, epochs
LOOPS = ("EpochBasedTrainLoop", "IterBasedTrainLoop", "ResumableTrainLoop")
SAMPLERS = dict(zip(LOOPS, ("DefaultSampler", "InfiniteSampler", "PositionSampler"), strict=True))


class Scenes(Dataset):
    """Random images whose label is their brightest channel, as files in `folder`."""

    def __init__(self, folder: Path, number: int, seed: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(seed)
        coarse = generator.integers(0, 256, (number, 6, 8, 3), dtype=np.uint8)
        self.images = coarse.repeat(8, axis=1).repeat(8, axis=2)
        self.paths = [folder / f"{seed}-{index}.png" for index in range(number)]
        for path, image in zip(self.paths, self.images, strict=True):
            Image.fromarray(image).save(path)
        self.metainfo = {"classes": CLASSES, "palette": PALETTE}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict:
        image = torch.from_numpy(self.images[index].copy()).permute(2, 0, 1)
        sample = SegDataSample(
            metainfo={"img_path": str(self.paths[index]), "img_shape": SIZE, "ori_shape": SIZE},
            gt_sem_seg=PixelData(data=image.argmax(dim=0, keepdim=True)),
        )
        return {"inputs": image, "data_samples": sample}


class Witness(Hook):
    """A hook that notes loss, live weights and average after every iteration, and the weights of every validation."""

    priority = "NORMAL"  # as the last such hook: after the average, before the validation

    def __init__(self, average: Any = None) -> None:
        self.average = average
        self.losses: list[float] = []
        self.alive: list[int] = []
        self.validated: list[dict[str, bool]] = []

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.losses.append(float(outputs["loss"].detach()))
        self.alive.append(sum(runner.model.backbone.architecture.options_alive().values()))
        self.live = runner.model.decode_head.conv_seg.weight.detach().clone()
        if self.average:
            self.mean = self.average.average["decode_head.conv_seg.weight"].clone()

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        weight = runner.model.decode_head.conv_seg.weight
        self.validated.append({"live": torch.equal(weight, self.live), "mean": torch.equal(weight, self.mean)})


def model_config() -> dict:
    """Return the config of a segmentor whose backbone is a small supernet."""
    return {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor", "mean": [127.0] * 3, "std": [60.0] * 3, "size": SIZE,
        },
        "backbone": {"type": "SSRSupernet", **SEARCH},
        "decode_head": {
            "type": "SearchHead",
            "in_channels": SPACE.stages[-1].channels,
            "num_classes": len(CLASSES),
            "align_corners": False,
            "loss_decode": {"type": "CrossEntropyLoss"},
        },
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }  # fmt: skip


def build_runner(folder: Path, loop: str, hooks: list, *, validation: bool = True, **changes: Any) -> Runner:
    """Return a runner of one of `LOOPS`.

    Args:
        folder: For images, logs and checkpoints.
        hooks: Configs of hooks, or hooks.
        validation: Whether the runner has a validation, which mmengine's loops do not start by themselves.
        changes: Keys to add or replace.
    """
    torch.manual_seed(0)
    data: Any = Scenes(folder / "images", BATCH * STEPS)
    sampler: dict[str, Any] = {"type": SAMPLERS[loop]}
    if loop == "ResumableTrainLoop":
        data, sampler = SeededDataset(data, seed=0), {**sampler, "seed": 0, "share": BATCH}
    by_epoch = loop != "IterBasedTrainLoop"
    length = {"max_epochs": EPOCHS} if by_epoch else {"max_iters": EPOCHS * STEPS}
    settings: dict[str, Any] = {
        "model": ConfigDict(model_config()),  # mmseg reads attributes of it
        "train_dataloader": {"batch_size": BATCH, "num_workers": 0, "sampler": sampler, "dataset": data},
        "train_cfg": {"type": loop, "val_begin": 99, **length},
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.05}},
        "default_hooks": {"checkpoint": None},
        "custom_hooks": hooks,
        "log_processor": {"by_epoch": by_epoch},
        "visualizer": {"type": "Visualizer", "vis_backends": [{"type": "TensorboardVisBackend"}]},
        "work_dir": str(folder / "log"),
        "randomness": {"seed": 0},
        "default_scope": "mmseg",
        "experiment_name": f"{folder.name}-{loop}-{len(list(folder.glob('log/*')))}",
    }
    if validation:
        settings |= {
            "val_dataloader": {
                "batch_size": 1,
                "num_workers": 0,
                "sampler": {"type": "DefaultSampler", "shuffle": False},
                "dataset": Scenes(folder / "images", 3, seed=1),
            },
            "val_cfg": {"type": "ValLoop"},
            "val_evaluator": {"type": "IoUMetric", "iou_metrics": ["mIoU"], "collect_device": "gpu"},
        }
    return Runner(**{**settings, **changes})
