"""Replacement of mmengine's checkpoint loaders, so that no checkpoint can run code.

mmengine reads checkpoints with torch's weights-only unpickler, but falls back to the full one, which runs code from the
file, when that fails; it also allows `getattr` to the first, with which a file can reach far beyond data. All loading
in mmengine and mmseg (`load_from`, `resume`, `init_cfg` of type Pretrained, `load_checkpoint`) goes through the schemes
of `CheckpointLoader`, which are replaced here for this process.
"""

from pathlib import Path
from typing import Any

from mmengine.fileio.handlers import file_handlers
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from ssr_mmseg.training.checkpoint.finished_values import History
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.weights_only import force_weights_only

PICKLES = ("pickle", "pkl")  # extensions of the files that `mmengine.load` would unpickle


def forbid_unpickling() -> None:
    """Restrict this process to checkpoints from local files, read as data, and disable loading of other pickles.

    Called by the command line when a command has imported mmengine, and by `Experiment`, which every training,
    evaluation and benchmark starts with; never by an import.
    """
    force_weights_only()
    remote = [scheme for scheme in CheckpointLoader._schemes if scheme]
    CheckpointLoader.register_scheme("", load_from_file, force=True)
    CheckpointLoader.register_scheme(remote, refuse_remote, force=True)
    for extension in PICKLES:
        file_handlers.pop(extension, None)


def load_from_file(filename: str, map_location: Any = None) -> Any:
    """Load a checkpoint from a local file to the CPU; the caller copies it to the device of its parameters.

    Raises:
        UserError: The file is missing, damaged, or contains more than data.
    """
    state = load_state(Path(filename).expanduser())
    messages = state.get("message_hub")
    scalars = messages.get("log_scalars") if isinstance(messages, dict) else None
    if isinstance(scalars, dict):
        for name, history in scalars.items():
            if isinstance(history, History):  # resuming needs mmengine's own class
                scalars[name] = HistoryBuffer(history.log, history.count, history.max_length)
    return state


def refuse_remote(filename: str, map_location: Any = None) -> Any:
    """Refuse a remote checkpoint, whose SHA-256 is not known.

    Raises:
        UserError: Always.
    """
    raise UserError(f"the checkpoint {filename} is not a file; download it, compare its SHA-256, and give its path")
