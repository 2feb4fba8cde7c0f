"""What a profiling backend is, and the table of those there are."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from ssr_mmseg.utils.errors import UserError


class Backend(ABC):
    """One way to run a network on one device, on a private copy: the caller's model stays as it is.

    Attributes:
        precisions: the arithmetics that it offers, its default first.
        packages: distributions whose versions belong in a record, besides torch.
        align: widths that it runs best are multiples of this number of channels.
        default_graph: what it is given unless another is asked for: the network as `trained`, or as it is `deployed`.
        precision: the arithmetic of a run, as the record names it.
        device: where it runs.
        images: the batch (N, 3, H, W) that every run maps, where the backend keeps one as a tensor.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[tuple[str, ...]] = ()
    align: ClassVar[int] = 1
    default_graph: ClassVar[str] = "deployed"
    precision: str = "fp32"
    images: Tensor

    @abstractmethod
    def __init__(self, model: nn.Module, device: torch.device) -> None:
        """Take a copy of `model`, which maps images (N, 3, H, W) to logits (N, classes, H, W).

        A backend with several precisions takes one of them as its third argument.

        Raises:
            UserError: this backend cannot run on `device`, or the library that it needs is missing.
        """
        self.device = device

    def calibrate(self, images: Tensor) -> None:
        """Take images (K, 3, H, W) that stand for those to come; called once, before `prepare`, for int8 alone.

        Raises:
            UserError: this backend does not quantise.
        """
        raise UserError(f"backend {type(self).__name__} does not quantise; choose onnxruntime or openvino for int8")

    @abstractmethod
    def prepare(self, images: Tensor) -> None:
        """Take the batch (N, 3, H, W), float32, that every run maps; compile or export here if need be."""

    def load(self, images: Tensor) -> None:
        """Put another batch of the prepared shape, on the host, in the place of the prepared one."""
        self.images.copy_(images)

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


def backend_type(name: str, precision: str | None = None) -> type[Backend]:
    """The backend of that name.

    Raises:
        UserError: there is none, or it does not offer `precision`.
    """
    if name not in BACKENDS:
        raise UserError(f"unknown profiling backend {name!r}; choose one of: {', '.join(sorted(BACKENDS))}")
    offered = BACKENDS[name].precisions
    if precision is not None and precision not in offered:
        raise UserError(f"backend {name} does not offer precision {precision!r}; choose one of: {', '.join(offered)}")
    return BACKENDS[name]


def alignment(name: str, precision: str) -> int:
    """Multiple of channels that widths are padded to for a backend.

    For int8 it is 1: added channels would spoil the ranges that are calibrated.
    """
    return 1 if precision == "int8" else backend_type(name).align


def create(name: str, model: nn.Module, device: torch.device, precision: str | None = None) -> Backend:
    """Build a backend by its name, in its default precision or the given one.

    Raises:
        UserError: unknown name or precision, a missing library, or a device that it cannot run on.
    """
    kind: Callable[..., Backend] = backend_type(name, precision)
    several = len(BACKENDS[name].precisions) > 1
    return kind(model, device, precision) if several and precision else kind(model, device)


def prepared(name: str, precision: str, module: nn.Module, batch: Tensor, device: torch.device) -> Backend:
    """A backend that is ready to run `module` on `batch` (N, C, H, W); int8 takes its ranges from the batch.

    Raises:
        UserError: as `create` does.
    """
    backend = create(name, module, device, precision)
    if backend.precision == "int8":
        backend.calibrate(batch)
    backend.prepare(batch)
    return backend


def needs_cuda(backend: str, device: torch.device) -> None:
    """Raise `UserError` unless `device` is a GPU."""
    if device.type != "cuda":
        raise UserError(f"backend {backend} needs CUDA, found device {device.type}; choose another or use a GPU")
