"""What a profiling backend is, and the table of those there are."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn


class Backend(ABC):
    """One way to run a network on one device, on a private copy: the caller's model stays as it is.

    Attributes:
        precision: the arithmetic of a run, as the record names it.
        device: where it runs.
    """

    precision: ClassVar[str] = "fp32"

    @abstractmethod
    def __init__(self, model: nn.Module, device: torch.device) -> None:
        """Take a copy of `model`, which maps images (N, 3, H, W) to logits.

        Raises:
            UserError: this backend cannot run on `device`, or the library that it needs is missing.
        """
        self.device = device

    @abstractmethod
    def prepare(self, images: Tensor) -> None:
        """Take the batch (N, 3, H, W), float32, that every run maps; compile or export here if need be."""

    @abstractmethod
    def run(self) -> Tensor:
        """Map the prepared batch to logits; may return before the device is done."""

    def synchronise(self) -> None:
        """Wait until the device has done all it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


BACKENDS: dict[str, type[Backend]] = {}


def register(name: str) -> Callable[[type[Backend]], type[Backend]]:
    """Enter the decorated class in `BACKENDS` under `name`, which must be free."""

    def enter(backend: type[Backend]) -> type[Backend]:
        if name in BACKENDS:
            raise ValueError(f"backend {name!r} is registered already, by {BACKENDS[name].__module__}; rename one")
        BACKENDS[name] = backend
        return backend

    return enter
