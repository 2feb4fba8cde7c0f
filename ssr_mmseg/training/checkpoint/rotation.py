"""Rotation of a training's last two states: the older one replaces a newer one that cannot be read."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ssr_mmseg.training.checkpoint import origin as origins
from ssr_mmseg.training.checkpoint.state_file import DamagedStateError, load_state, save_state
from ssr_mmseg.utils.files import flush_folder


class Checkpoints:
    """The two states in a training's work folder: the newest, `state.pth`, and the one before, `previous.pth`.

    Args:
        path: File of the newest state.
        origin: What identifies the training, which its states say (see `check_origin`); None to leave that out.
    """

    def __init__(self, path: Path, origin: Mapping[str, str | int] | None = None) -> None:
        self.newest = Path(path)
        self.previous = self.newest.with_name("previous.pth")
        self.origin = origin
        self._noted = False  # that a state does not say which training it is of

    def save(self, state: dict[str, Any]) -> None:
        """Save `state` as the newest; a killed process or a full disk leaves at least one complete state.

        Raises:
            UserError: The disk is full or the folder cannot be written.
        """
        staged = self.newest.with_name("next.pth")
        save_state(staged, state if self.origin is None else {**state, origins.KEY: dict(self.origin)})
        if self.newest.exists():
            os.replace(self.newest, self.previous)
        os.replace(staged, self.newest)
        flush_folder(self.newest.parent)

    def load(self, warn: Callable[[str], Any]) -> dict[str, Any] | None:
        """Load the newest state whose checksums match; None if there is none, in which case the training starts over.

        Damaged files are removed, so that the next save does not rotate one over the good state.

        Args:
            warn: Called with one line if a file is damaged.

        Raises:
            UserError: A file exists but reading it fails, which may be temporary, or it is the state of another
                training, which somebody put there and may miss; so nothing is removed.
        """
        problems: list[str] = []
        noted: list[str] = []
        state = None
        for path in (self.newest, self.previous):
            if not path.exists():
                continue
            try:
                state = load_state(path)
                break
            except DamagedStateError as error:
                problems.append(str(error).rpartition("; ")[0])
                path.unlink()
        if problems:
            remedy = f"continuing from {self.previous}" if state else "no state is left, so the training starts over"
            warn(f"{'; '.join(problems)}; {remedy}")
        if state is not None and self.origin is not None:
            origins.check_origin(path, "state", state.get(origins.KEY), self.origin, noted.append)
        if noted and not self._noted:
            warn(noted[0])
            self._noted = True
        return state
