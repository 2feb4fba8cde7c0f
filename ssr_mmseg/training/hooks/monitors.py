"""Which hooks show a training while it runs."""

from pathlib import Path

from ssr_mmseg.training.hooks.tensorboard_hook import check_tensorboard


def monitors(settings: dict, manifest: dict, loader: dict, progress: Path, curve: dict) -> list[dict]:
    """Configs of the hooks that show a training, and that draw its learning curve if it shall have one.

    Args:
        settings: The `monitor` part of an experiment's settings.
        manifest: Of the dataset.
        loader: Config of the loader of the validation images.
        progress: The file that tells how far the training is.
        curve: `validation` of the schedule: how often mIoU on val belongs to the history; empty for never.

    Raises:
        UserError: TensorBoard is asked for but not installed.
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
