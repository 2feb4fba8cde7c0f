"""Configs of the monitoring hooks: progress, validation and TensorBoard."""

from pathlib import Path

from ssr_mmseg.training.hooks.tensorboard_hook import check_tensorboard


def monitors(settings: dict, palette: list, progress: Path) -> list[dict]:
    """Return the configs of the hooks that monitor a training, the same in all data-parallel processes.

    Args:
        settings: The section `monitor` of an experiment's settings.
        palette: Red, green and blue of each class, (classes, 3).
        progress: File for the progress of the training.

    Raises:
        UserError: TensorBoard is enabled but not installed.
    """
    hooks: list[dict] = [{"type": "ProgressHook", "path": str(progress)}]
    if settings["validation"]:
        hooks.append({"type": "ValidationHook", "share": settings["validation"]})
    if settings["tensorboard"]:
        check_tensorboard()
        hooks.append({"type": "BoardHook", "palette": palette})
    return hooks
