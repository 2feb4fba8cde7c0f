"""Training step whose forward and backward pass is recorded once and then replayed as one CUDA graph.

A search step launches thousands of small kernels, and launching them from Python takes longer than running them. A
graph launches all of them at once. Only forward and backward pass are recorded; data, clipping and update stay eager,
so that learning rates, hooks and the saved state are those of `train_step`, and so is every value computed.

What is recorded reads and writes fixed memory and has no Python left in it:
- A batch is copied into the memory of the batch that was recorded.
- The gradients are where the recording left them, and are given to the parameters before every update.
- Random numbers come from the device's generator, which replays read; it can be seeded between them.
- Values on the host are those at the recording. The caller names those that may change in `baked`, and keeps the others
  in tensors.
"""

import time
from collections.abc import Callable
from logging import Logger
from typing import Any, Protocol, TypeVar

import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor

from ssr_mmseg.training.step import Objective, forward_backward, preprocess, update

Result = TypeVar("Result")


class Recorder(Protocol):
    """Records functions that only compute on tensors; recordings share memory and must be replayed in their order."""

    def warm_up(self, function: Callable[[], Result]) -> Result:
        """Run a function once in the way in which it will be recorded, and return its result."""

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        """Record a function without running it; return its result, filled by every replay, and what replays it."""

    def forget(self) -> None:
        """Note that all recordings are deleted."""


class CudaRecorder:
    """Records CUDA graphs.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
        self.stream = torch.cuda.Stream(self.device)
        self.pool: Any = None  # memory of the recordings: what one has finished with is used by the next
        self.failed: list[torch.cuda.CUDAGraph] = []  # kept, because the allocator may still refer to them

    def warm_up(self, function: Callable[[], Result]) -> Result:
        # on the stream that is recorded later: autograd accumulates a gradient on the stream that first used it
        current = torch.cuda.current_stream(self.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            result = function()
        current.wait_stream(self.stream)
        return result

    def record(self, function: Callable[[], Result]) -> tuple[Result, Callable[[], None]]:
        current, graph = torch.cuda.current_stream(self.device), torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self.device.index]
        state = generator.clone_state()
        try:
            with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
                result = function()
        except BaseException:
            # torch leaves the stream current, and the generator waiting for the end of the recording
            torch.cuda.set_stream(current)
            generator.graphsafe_set_state(state)
            self.failed.append(graph)
            raise
        self.pool = graph.pool()
        return result, graph.replay

    def forget(self) -> None:
        self.pool = None


class RecordedTrainStep:
    """`train_step` with recorded forward and backward passes, one per optimizer.

    The first step with a shape of batch runs eagerly: libraries choose their algorithms and allocate their workspaces
    in it. The second one is recorded. If that fails, all further steps are eager, after one warning.

    Only `inputs` and the labels `gt_sem_seg` of a batch reach the model.

    Args:
        recorder: What records.
        baked: Returns the values on the host that recordings depend on, comparable; if they change, all are repeated.
        logger: Log for the warning.

    Attributes:
        recordings: Number of recordings made.
        seconds: Time that they took.
    """

    def __init__(self, recorder: Recorder, baked: Callable[[], Any], logger: Logger) -> None:
        self.recorder, self.baked, self.logger = recorder, baked, logger
        self.recordings, self.seconds, self.failed = 0, 0.0, False
        self._passes: dict[OptimWrapper, _RecordedPass] = {}
        self._warm: set[tuple] = set()
        self._state: Any = None

    def __call__(
        self, model: BaseModel, batch: Any, wrapper: OptimWrapper, objective: Objective | None = None
    ) -> dict[str, Tensor]:
        data = preprocess(model, batch, wrapper)
        losses = self._forward_backward(model, data, wrapper, objective)
        update(wrapper)
        return losses

    def _forward_backward(
        self, model: BaseModel, data: dict, wrapper: OptimWrapper, objective: Objective | None
    ) -> dict[str, Tensor]:
        if self.failed:
            return forward_backward(model, data, wrapper, objective)
        state = self.baked()
        if state != self._state:
            self._passes.clear()
            self.recorder.forget()
            self._state = state
        kind = _kind(data)
        recorded = self._passes.get(wrapper)
        if recorded is None or recorded.kind != kind:
            if (wrapper, kind) not in self._warm:
                self._warm.add((wrapper, kind))
                return self.recorder.warm_up(lambda: forward_backward(model, data, wrapper, objective))
            self._passes.pop(wrapper, None)
            started = time.monotonic()
            try:
                recorded = _RecordedPass(self.recorder, model, data, wrapper, objective)
            except Exception as error:  # whatever a kernel, the driver or a plug-in objects to
                self._fail(error, wrapper)
                return forward_backward(model, data, wrapper, objective)
            self._passes[wrapper] = recorded
            self.recordings += 1
            self.seconds += time.monotonic() - started
        return recorded.run(data)

    def _fail(self, error: Exception, wrapper: OptimWrapper) -> None:
        self.failed = True
        self._passes.clear()
        wrapper.zero_grad(set_to_none=True)
        cause = error.__context__ or error  # the error of torch's clean-up hides the one that made it necessary
        self.logger.warning(
            f"the training step cannot be recorded as a CUDA graph, so it runs without, slower but with the same "
            f"results: {type(cause).__name__}: {cause}"
        )


class _RecordedPass:
    """Recording of one optimizer's forward and backward pass on batches of one kind."""

    def __init__(
        self, recorder: Recorder, model: BaseModel, data: dict, wrapper: OptimWrapper, objective: Objective | None
    ) -> None:
        self.kind = _kind(data)
        self.inputs = data["inputs"].clone()
        self.labels = torch.stack(_labels(data))
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in self.labels]
        fixed = {"inputs": self.inputs, "data_samples": samples}
        self.parameters = [parameter for group in wrapper.param_groups for parameter in group["params"]]

        def function() -> tuple[dict[str, Tensor], list[Tensor | None]]:
            wrapper.zero_grad(set_to_none=True)  # so that the gradients are written and not added to others
            losses = forward_backward(model, fixed, wrapper, objective)
            return losses, [parameter.grad for parameter in self.parameters]

        (self.losses, self.gradients), self.replay = recorder.record(function)

    def run(self, data: dict) -> dict[str, Tensor]:
        """Do what `forward_backward` does."""
        self.inputs.copy_(data["inputs"])
        torch.stack(_labels(data), out=self.labels)
        self.replay()
        for parameter, gradient in zip(self.parameters, self.gradients, strict=True):
            parameter.grad = gradient  # `zero_grad` has taken it away
        return {name: value.clone() for name, value in self.losses.items()}  # read after later replays


def _labels(data: dict) -> list[Tensor]:
    return [sample.gt_sem_seg.data for sample in data["data_samples"]]


def _kind(data: dict) -> tuple:
    """Return what batches must have in common to be copied into the same memory."""
    label = data["data_samples"][0].gt_sem_seg.data
    return data["inputs"].shape, data["inputs"].stride(), data["inputs"].dtype, label.shape, label.dtype
