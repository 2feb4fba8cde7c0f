"""A tiny training by mmengine's own loop, hooks and checkpoints, without any part of this project."""

import shutil
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset


class Line(BaseModel):
    """A line that is fitted to points."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x: torch.Tensor, y: torch.Tensor, mode: str) -> Any:
        return {"loss": ((self.layer(x) - y) ** 2).mean()}


class Points(Dataset):
    """Four points; the metadata are those of a segmentation dataset."""

    metainfo = {"classes": ("road", "sky"), "palette": [[1, 2, 3], [4, 5, 6]]}  # noqa: RUF012

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return {"x": torch.tensor([1.0, index]), "y": torch.ones(1)}


def runner(work: Path, epochs: int, **options: Any) -> Runner:
    """Build a runner that saves a checkpoint to `work` after every epoch."""
    loader = {
        "dataset": Points(),
        "batch_size": 2,
        "collate_fn": {"type": "default_collate"},
        "sampler": {"type": "DefaultSampler", "shuffle": True},
    }
    return Runner(
        model=Line(),
        work_dir=str(work),
        train_dataloader=loader,
        optim_wrapper={"optimizer": {"type": "Adam", "lr": 0.1}},
        param_scheduler={"type": "MultiStepLR", "milestones": [1, 2]},
        train_cfg={"by_epoch": True, "max_epochs": epochs},
        default_hooks={"checkpoint": {"type": "CheckpointHook", "interval": 1}},
        randomness={"seed": 3},
        default_scope="mmseg",  # the process keeps it, for the other tests too
        experiment_name=work.name,
        **options,
    )


def interrupted(whole: Path, work: Path, epoch: int) -> None:
    """Copy a training's checkpoint to `work`, as if it had been interrupted after that epoch."""
    work.mkdir()
    shutil.copy(whole / f"epoch_{epoch}.pth", work)
    (work / "last_checkpoint").write_text(str(work / f"epoch_{epoch}.pth"))
