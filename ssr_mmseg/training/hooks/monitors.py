"""Configs of the monitoring hooks: progress, validation and TensorBoard."""

from pathlib import Path

from ssr_mmseg.training.hooks.tensorboard_hook import check_tensorboard


def monitors(settings: dict, manifest: dict, loader: dict, progress: Path, curve: dict) -> list[dict]:
    """Return the configs of the hooks that monitor a training.

    Args:
        settings: The section `monitor` of an experiment's settings.
        manifest: Manifest of the dataset.
        loader: Config of the loader of the validation images.
        progress: File for the progress of the training.
        curve: The schedule's `validation`: how often to record mIoU on val in the history; empty for never.

    Raises:
        UserError: TensorBoard is enabled but not installed.
    """
    hooks: list[dict] = [{"type": "ProgressHook", "path": str(progress)}]
    share = settings["validation"]
    if share or curve:
        hooks.append(
            {"type": "ValidationHook", "loader": loader, "classes": manifest["classes"], "share": share, **curve}
        )
    if settings["tensorboard"]:
        check_tensorboard()
        hooks.append({"type": "BoardHook", "loader": loader, "palette": manifest["palette"]})
    return hooks
