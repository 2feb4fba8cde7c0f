"""Checkpoints are data: whatever mmengine or mmseg load, from wherever they are asked to, runs no code.

mmengine reads checkpoints with torch's weights-only unpickler but falls back to the full one, which runs what the file
says, when that refuses; and it lends the first `getattr`, with which a file can reach far beyond data. Every way that
mmengine and mmseg have (`load_from`, `resume`, `init_cfg` of type Pretrained, `load_checkpoint`) leads through the
schemes of its `CheckpointLoader`, so those are replaced here; `ssr_mmseg` itself forbids torch the full unpickler.
"""

from pathlib import Path
from typing import Any

from mmengine.fileio.handlers import file_handlers
from mmengine.runner import CheckpointLoader

from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError

PICKLES = ("pickle", "pkl")  # endings of files that `mmengine.load` would unpickle


def forbid_unpickling() -> None:
    """Let mmengine load checkpoints as data from local files only, and no pickles at all."""
    remote = [scheme for scheme in CheckpointLoader._schemes if scheme]
    CheckpointLoader.register_scheme("", load_from_file, force=True)
    CheckpointLoader.register_scheme(remote, refuse_remote, force=True)
    for ending in PICKLES:
        file_handlers.pop(ending, None)


def load_from_file(filename: str, map_location: Any = None) -> Any:
    """A checkpoint from a local file, on the CPU: whoever asked for it copies it to where its parameters are.

    Raises:
        UserError: the file is missing, damaged, or holds more than data.
    """
    return load_state(Path(filename).expanduser())


def refuse_remote(filename: str, map_location: Any = None) -> Any:
    """What a checkpoint elsewhere gets: nobody has said what its SHA-256 should be.

    Raises:
        UserError: always.
    """
    raise UserError(f"the checkpoint {filename} is not a file; download it, compare its SHA-256, and give its path")
