"""TensorBoard logging of a training, enabled by `monitor.tensorboard` in the configuration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmseg.registry import HOOKS

from ssr_mmseg.evaluation.visualization import side_by_side
from ssr_mmseg.training.hooks.any_loop import PeriodHook
from ssr_mmseg.training.hooks.history_hook import records
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.extras import require

BOARD = "TensorboardVisBackend"  # mmengine's backend, which writes the event files


def check_tensorboard() -> None:
    """Check that TensorBoard is installed.

    Raises:
        UserError: It is not installed.
    """
    require("tensorboard", "monitor.tensorboard")


def event_files(runner: Any) -> Any:
    """Return the runner's TensorBoard backend.

    Raises:
        UserError: The runner has none.
    """
    board = runner.visualizer.get_backend(BOARD)
    if board is None:
        raise UserError(f"a hook writes to TensorBoard: add dict(type='{BOARD}') to the visualizer's vis_backends")
    return board


@HOOKS.register_module()
class BoardHook(PeriodHook):
    """Log the means of every record of the history, and predictions next to the ground truth.

    The predictions are those for the first images of the runner's validation, if it has one; each must be a file.

    Args:
        palette: Red, green and blue of each class, (classes, 3).
        frames: Number of images to log.

    Raises:
        UserError: The runner has no TensorBoard backend, or no `HistoryHook`.
    """

    priority = "LOW"  # after HistoryHook, which computes the means

    def __init__(self, palette: Sequence[Sequence[int]], frames: int = 2) -> None:
        self.palette = np.array(palette, dtype=np.uint8)
        self.frames = frames

    def before_train(self, runner: Any) -> None:
        records(runner)
        event_files(runner)

    def after_period(self, runner: Any, done: int) -> None:
        if not dist.is_main_process():
            return
        board = event_files(runner)
        for name, value in records(runner)[-1].items():
            if isinstance(value, float) and ("loss" in name or "acc" in name):
                board.add_scalar(f"epoch/{name}", value, done)
        if runner.val_loop is not None:
            self._add_predictions(runner, board, done)

    @torch.no_grad()
    def _add_predictions(self, runner: Any, board: Any, done: int) -> None:
        loader = runner.val_loop.dataloader
        runner.model.eval()
        for index in range(min(self.frames, len(loader.dataset))):
            (sample,) = runner.model.test_step(loader.collate_fn([loader.dataset[index]]))
            prediction, label = (field.data.squeeze(0).cpu() for field in (sample.pred_sem_seg, sample.gt_sem_seg))
            image = Path(sample.img_path)
            picture = side_by_side(image, prediction, label, self.palette)
            board.add_image(f"val/{image.stem}", np.asarray(picture), done)
        runner.model.train()
