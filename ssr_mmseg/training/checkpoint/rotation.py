"""The last two states of a training: if the newer one cannot be read, the older one serves."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssr_mmseg.training.checkpoint.state_file import DamagedStateError, load_state, save_state


class Checkpoints:
    """States in a training's work folder: the newest, `state.pth`, and the one before it, `previous.pth`.

    Args:
        path: The newest state's file.
    """

    def __init__(self, path: Path) -> None:
        self.newest = Path(path)
        self.previous = self.newest.with_name("previous.pth")

    def save(self, state: dict[str, Any]) -> None:
        """Make `state` the newest. A process killed meanwhile leaves at least one whole state, as a full disk does.

        Raises:
            UserError: the disk is full or the folder cannot be written.
        """
        staged = self.newest.with_name("next.pth")
        save_state(staged, state)
        if self.newest.exists():
            os.replace(self.newest, self.previous)
        os.replace(staged, self.newest)

    def load(self, tell: Callable[[str], Any]) -> dict[str, Any] | None:
        """The newest state whose checksums hold; None if there is none, so that the training begins anew.

        Damaged files are removed, lest they take the place of the good one at the next save.

        Args:
            tell: Called with one line if a file is damaged.

        Raises:
            UserError: a file is there but the disk does not give it: that may pass, so nothing is removed.
        """
        problems = []
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
            remedy = f"going on from {self.previous}" if state else "no state is left, so the training begins anew"
            tell(f"{'; '.join(problems)}; {remedy}")
        return state
