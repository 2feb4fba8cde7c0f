"""Exported networks behind the Python interface; torch is imported only to profile one."""

from pathlib import Path
from typing import Any

import numpy as np

from ssr_mmseg.api.base import MIN_RUNS, MIN_SECONDS, WARMUP_SECONDS, Network
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.sliding_window import segment
from ssr_mmseg.utils.errors import UserError


class OnnxNetwork(Network):
    """A file written by `ssr-mmseg export`, run by ONNX Runtime.

    Args:
        path: The file.
        provider: `cpu` or `cuda`.

    Raises:
        UserError: See `ExportedNetwork`.
    """

    def __init__(self, path: Path, provider: str = "cpu") -> None:
        self.network = ExportedNetwork(path, provider)
        about = self.network.metadata
        super().__init__(path, list(about.classes), [list(color) for color in about.palette], about.size)

    def _labels(self, image: np.ndarray) -> np.ndarray:
        return segment(self.network, image)

    def profile(
        self,
        size: tuple[int, int] | None = None,
        backend: str | None = None,
        *,
        batch: int | None = None,
        precision: str | None = None,
        min_runs: int = MIN_RUNS,
        min_seconds: float = MIN_SECONDS,
        warmup_seconds: float = WARMUP_SECONDS,
    ) -> dict[str, Any]:
        """Time the file as it is: at its own size, batch and precision. See `Network.profile`."""
        own = {"size": self.size, "backend": "onnxruntime", "batch": self.network.batch, "precision": None}
        asked = {"size": size and tuple(size), "backend": backend, "batch": batch, "precision": precision}
        for name, value in asked.items():
            if value not in (None, own[name]):
                raise UserError(
                    f"{self.path} is an exported file, whose {name} is {own[name] or 'fixed'}, found {value}; "
                    "leave it out, or load the folder of the network's results"
                )
        from ssr_mmseg.profiling.machine import environment
        from ssr_mmseg.profiling.profiler import latencies
        from ssr_mmseg.profiling.timing import measure
        from ssr_mmseg.utils.devices import resolve_device

        session = self.network.session
        images = np.random.default_rng(0).standard_normal((self.network.batch, 3, *self.size), np.float32)
        self.network.run(images)  # raises `UserError` if the file cannot run
        feed = {session.get_inputs()[0].name: images}
        timing = measure(
            lambda: session.run(None, feed),
            lambda: None,
            batch=self.network.batch,
            min_runs=min_runs,
            min_seconds=min_seconds,
            warmup_seconds=warmup_seconds,
        )
        cuda = "CUDAExecutionProvider" in session.get_providers()
        return {
            "size": list(self.size),
            "batch": self.network.batch,
            "params": None,
            "macs": None,
            **latencies((timing, None)),
            **environment(resolve_device("cuda" if cuda else "cpu")),
            "backend": "onnxruntime",
        }

    @property
    def parameters(self) -> None:
        """None: the graph has no parameters apart from its constants."""
        return

    @property
    def macs(self) -> None:
        """None: the file does not hold them."""
        return
