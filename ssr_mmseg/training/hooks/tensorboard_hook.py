"""TensorBoard logging of a training, enabled by `monitor.tensorboard` in the configuration."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from ssr_mmseg.evaluation.visualization import side_by_side
from ssr_mmseg.utils.errors import UserError

BOARD = "TensorboardVisBackend"  # mmengine's backend, which writes the event files


def check_tensorboard() -> None:
    """Check that TensorBoard is installed.

    Raises:
        UserError: It is not installed.
    """
    if importlib.util.find_spec("tensorboard") is None:
        raise UserError(
            "monitor.tensorboard is true but TensorBoard is not installed; "
            "install it with: python -m pip install tensorboard"
        )


@HOOKS.register_module()
class BoardHook(Hook):
    """Log the mean losses of every epoch, and predictions next to the ground truth.

    Args:
        loader: Config of the loader of the validation images, one by one.
        palette: Red, green and blue of each class, (classes, 3).
        frames: Number of images to log.
    """

    priority = "LOW"  # after HistoryHook, which computes the means

    def __init__(self, loader: dict, palette: Sequence[Sequence[int]], frames: int = 2) -> None:
        self.loader = {**loader, "dataset": {**loader["dataset"], "indices": frames}}
        self.palette = np.array(palette, dtype=np.uint8)

    @torch.no_grad()
    def after_train_epoch(self, runner: Any) -> None:
        loop, board = runner.train_loop, runner.visualizer.get_backend(BOARD)
        for name, value in loop.history[-1].items():
            if isinstance(value, float) and ("loss" in name or "acc" in name):
                board.add_scalar(f"epoch/{name}", value, loop.iter)
        runner.model.eval()
        for batch in Runner.build_dataloader(self.loader):
            (sample,) = runner.model.test_step(batch)
            prediction, label = (field.data.squeeze(0).cpu() for field in (sample.pred_sem_seg, sample.gt_sem_seg))
            image = Path(sample.img_path)
            picture = side_by_side(image, prediction, label, self.palette)
            board.add_image(f"val/{image.stem}", np.asarray(picture), loop.iter)
