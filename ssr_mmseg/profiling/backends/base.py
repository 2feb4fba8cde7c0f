"""Interface of a profiling backend, the registry of backends, and their construction by name."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import ClassVar

import torch
from mmengine.registry import Registry
from torch import Tensor, nn

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.registry import registered

BACKENDS = Registry("backend")


class Backend(ABC):
    """One way to run a network on one device. It runs a private copy, so the caller's model is unchanged.

    Attributes:
        precisions: Arithmetics that it offers, the default one first.
        packages: Distributions whose versions belong in a record, besides torch.
        align: It is fastest when widths are multiples of this number of channels.
        default_graph: Form of the network that it runs unless another is requested: `trained` or `deployed`.
        precision: Arithmetic of its runs, as named in the record.
        device: Device of its runs.
        images: The batch (N, 3, H, W) that every run maps, if the backend keeps it as a tensor.
    """

    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    packages: ClassVar[tuple[str, ...]] = ()
    align: ClassVar[int] = 1
    default_graph: ClassVar[str] = "deployed"
    images: Tensor

    @abstractmethod
    def __init__(self, model: nn.Module, device: torch.device, precision: str | None = None) -> None:
        """Take a copy of `model`, which maps images (N, 3, H, W) to logits (N, classes, H, W).

        Args:
            precision: One of `precisions`; the first one if None.

        Raises:
            UserError: The backend cannot run on `device`, or a library that it needs is missing.
        """
        self.device = device
        self.precision = precision or self.precisions[0]

    def calibrate(self, images: Tensor, keep: Collection[str] = ()) -> None:
        """Take representative images (K, 3, H, W); called once, before `prepare`, and for int8 only.

        Args:
            images: The images.
            keep: Layers that stay in float32; see `deploy/quantize.py`.

        Raises:
            UserError: The backend does not quantize.
        """
        raise UserError(f"backend {type(self).__name__} does not quantize; choose onnxruntime or openvino for int8")

    @abstractmethod
    def prepare(self, images: Tensor) -> None:
        """Take the batch (N, 3, H, W), float32, that every run maps; compile or export the network if necessary."""

    @torch.inference_mode()
    def load(self, images: Tensor) -> None:
        """Replace the prepared batch by another one of the same shape, which is on the host."""
        self.images.copy_(images)

    @abstractmethod
    def run(self) -> Tensor:
        """Map the prepared batch to logits; may return before the device has finished."""

    def synchronize(self) -> None:
        """Wait until the device has finished all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def backend_type(name: str, precision: str | None = None) -> type[Backend]:
    """Return the class of a backend.

    Raises:
        UserError: No backend has that name, or it does not offer `precision`.
    """
    backend: type[Backend] = registered(BACKENDS, name, "profiling backend")
    if precision is not None and precision not in backend.precisions:
        offered = ", ".join(backend.precisions)
        raise UserError(f"backend {name} does not offer precision {precision!r}; choose one of: {offered}")
    return backend


def alignment(name: str, precision: str) -> int:
    """Return the number of channels to whose multiples widths are padded for a backend.

    It is 1 for int8: a padded network switches channels off by a bias of -1e30, in which the range of a tensor drowns.
    """
    return 1 if precision == "int8" else backend_type(name).align


def create_backend(name: str, model: nn.Module, device: torch.device, precision: str | None = None) -> Backend:
    """Build a backend by name, in the given precision or its default one.

    Raises:
        UserError: The name or the precision is unknown, a library is missing, or the backend cannot run on `device`.
    """
    return backend_type(name, precision)(model, device, precision)


def prepare_backend(name: str, precision: str, module: nn.Module, batch: Tensor, device: torch.device) -> Backend:
    """Build a backend that is ready to run `module` on `batch` (N, C, H, W), which also calibrates int8.

    Raises:
        UserError: See `create_backend`.
    """
    backend = create_backend(name, module, device, precision)
    if backend.precision == "int8":
        backend.calibrate(batch)
    backend.prepare(batch)
    return backend


def require_cuda(backend: str, device: torch.device) -> None:
    """Raise `UserError` unless `device` is a GPU."""
    if device.type != "cuda":
        raise UserError(f"backend {backend} needs CUDA, found device {device.type}; choose another or use a GPU")
