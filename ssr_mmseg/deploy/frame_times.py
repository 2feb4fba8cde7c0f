"""Progress and times of predicted frames, for whoever waits at the terminal."""

import sys
import time
from array import array

import numpy as np

from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.utils.errors import one_line
from ssr_mmseg.utils.extras import require

EVERY = 100  # frames per line of an input of unknown length


class Progress:
    """Progress bar on a terminal; otherwise a plain line after every tenth of the frames.

    Args:
        total: Number of frames; None if unknown.
    """

    def __init__(self, total: int | None) -> None:
        self.total, self.done = total, 0
        self.bar = None
        if sys.stderr.isatty():
            self.bar = require("tqdm", "predict").tqdm(total=total, unit="frame", file=sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def step(self, name: str) -> None:
        """Count one finished frame of the file `name`, which may contain any characters."""
        self.done += 1
        name = one_line(name, 100)
        if self.bar is not None:
            self.bar.set_postfix_str(name)
            self.bar.update()
        elif self.done == self.total or self.done % (max(1, self.total // 10) if self.total else EVERY) == 0:
            of = "" if self.total is None else f" of {self.total}"
            print(f"{self.done}{of} frames, {name}", file=sys.stderr, flush=True)


class FrameTimes:
    """Time of each frame, in all and in the network alone.

    Args:
        network: The network whose runs are timed.
    """

    def __init__(self, network: ExportedNetwork) -> None:
        self.network = network
        self.whole, self.alone = array("d"), array("d")  # seconds
        self.begin()

    def begin(self) -> None:
        """Begin the next frame, before it is read."""
        self._begin, self._ran = time.perf_counter(), self.network.seconds

    def end(self) -> None:
        """End a frame, after it is written, and begin the next one."""
        self.whole.append(time.perf_counter() - self._begin)
        self.alone.append(self.network.seconds - self._ran)
        self.begin()

    def __str__(self) -> str:
        """Return the medians, for the user; the first frame is slower than the others."""
        if not self.whole:
            return "0 frames"
        whole, alone = (1000 * float(np.median(np.frombuffer(times))) for times in (self.whole, self.alone))
        return (
            f"{len(self.whole)} frame{'s' * (len(self.whole) > 1)}, {alone:.1f} ms each in the network, {whole:.1f} ms "
            f"with reading, drawing and writing: {1000 / whole:.1f} FPS"
        )
