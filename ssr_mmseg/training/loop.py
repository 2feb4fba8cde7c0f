"""Epoch loop that can resume at any iteration, because all randomness is derived from the iteration number."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from mmengine import dist
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS
from torch import Tensor

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.data.loaders import build_loaders
from ssr_mmseg.training.data.seeded_dataset import seed_everything
from ssr_mmseg.training.step import train_step
from ssr_mmseg.utils.errors import UserError


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop, able to start at any iteration with the same result as an uninterrupted run.

    The dataloader's sampler is a `PositionSampler`, and all generators are seeded before each iteration from the seed
    and the iteration number. `history` has one record of mean losses per epoch and is part of the saved state.

    A stop (see `ssr_mmseg.jobs.preemption`) takes effect after an iteration, or interrupts the wait for a batch.
    """

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int, **options: Any) -> None:
        if isinstance(dataloader, Mapping):
            (dataloader,) = build_loaders(dataloader, runner)
        super().__init__(runner, dataloader, max_epochs, **options)
        self.history: list[dict] = []
        self.seconds = 0.0  # training time including data loading, summed over all resumed runs
        self.waited = 0.0  # part of `seconds` spent waiting for data
        self._sums: dict[str, float] = defaultdict(float)  # sums of this epoch's loss terms, without the unread ones
        self._unread: list[tuple[int, dict[str, float | Tensor]]] = []  # iteration number from 1, and its terms
        self.count = 0
        self.save: Callable[[], None] = lambda: None  # set by StateHook to its save function
        self.miou: float | None = None  # last measured mIoU on val, in percent
        self.cleanup = ExitStack()  # hooks' contexts, closed when the training ends for any reason

    def facts(self) -> dict[str, float]:
        """Return figures for progress reports besides the losses, such as the state of a search's gates."""
        return {}

    @property
    def noise_key(self) -> tuple[int, ...]:
        """Per-process part of the seed, so that processes draw different noise."""
        return (dist.get_rank(),) if dist.get_rank() else ()

    @property
    def steps_per_epoch(self) -> int:
        """Number of iterations per epoch."""
        return len(self.dataloader)

    def start_at(self, iteration: int) -> None:
        """Continue after `iteration` finished iterations."""
        self._iter = iteration
        self._epoch = iteration // self.steps_per_epoch

    def run(self) -> Any:
        """Train from the current position to the last epoch, or until stopped."""
        with self.cleanup, preemption.stoppable(), preemption.deferred():
            return super().run()

    def run_epoch(self) -> None:
        """Run the rest of the current epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        first = self._iter - self._epoch * self.steps_per_epoch
        started = time.monotonic()
        batches = self._wait(iter, self.batches(first))
        for index in range(first, self.steps_per_epoch):
            batch = self._wait(next, batches)
            seed_everything(self.runner.seed, self._iter, *self.noise_key)
            self.run_iter(index, batch)
            now = time.monotonic()
            self.seconds += now - started  # includes the wait for the batch
            started = now
        self._read()  # synchronizes with the device
        self.seconds += time.monotonic() - started
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """Train on one batch."""
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = train_step(self.runner.model, data_batch, self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _wait(self, function: Callable, *arguments: Any) -> Any:
        """Call a function that returns data, and save the state if it raises or is interrupted.

        Data-parallel processes are not interrupted here: they must stop together, after an iteration.
        """
        started = time.monotonic()
        try:
            with preemption.interruptible() if dist.get_world_size() == 1 else nullcontext():
                return function(*arguments)
        except UserError as error:
            self.save()
            last = str(error).splitlines()[-1]  # a loader process puts its traceback before the message
            raise UserError(last.partition("UserError: ")[2] or last) from error
        except BaseException:
            self.save()
            raise
        finally:
            self.waited += time.monotonic() - started

    def batches(self, first: int) -> Any:
        """Return the batches of the current epoch, starting with number `first`."""
        self.dataloader.sampler.start(self._epoch, first * self.dataloader.batch_size)
        return self.dataloader

    @property
    def data_wait_share(self) -> float:
        """Fraction of the training time spent waiting for data."""
        return self.waited / self.seconds if self.seconds else 0.0

    def note(self, terms: dict[str, float | Tensor]) -> None:
        """Add an iteration's loss terms, numbers or tensors of one element, to the epoch's means.

        Terms on a GPU are read later, all at once, because reading synchronizes with the GPU: when progress is
        reported, at the end of the epoch, and before every save.

        Raises:
            UserError: A term is not finite, so the training has diverged. Nothing is saved after that.
        """
        self._unread.append((self._iter + 1, {k: v.detach() if torch.is_tensor(v) else v for k, v in terms.items()}))
        self.count += 1
        if all(not torch.is_tensor(value) or value.device.type == "cpu" for value in terms.values()):
            self._read()

    @property
    def sums(self) -> dict[str, float]:
        """Sums of this epoch's loss terms; reading them raises the same errors as `note`."""
        self._read()
        return self._sums

    def _read(self) -> None:
        unread, self._unread = self._unread, []
        tensors = [v.reshape(()).float() for _, terms in unread for v in terms.values() if torch.is_tensor(v)]
        values = iter(torch.stack([t.to(tensors[0].device) for t in tensors]).tolist() if tensors else [])
        for iteration, terms in unread:
            numbers = {name: next(values) if torch.is_tensor(value) else value for name, value in terms.items()}
            bad = [f"{name} is {number}" for name, number in numbers.items() if not math.isfinite(number)]
            if bad:
                raise self.diverged(", ".join(bad), iteration)
            for name, number in numbers.items():
                self._sums[name] += number

    def diverged(self, problem: str, iteration: int) -> UserError:
        """Return the error for a training that has diverged.

        Args:
            problem: What is not finite.
            iteration: Number of the iteration, from 1.
        """
        epoch = (iteration - 1) // self.steps_per_epoch + 1
        return UserError(
            f"the training has diverged: {problem} at iteration {iteration} (epoch {epoch}); "
            "the last good state is kept; lower the learning rate or the loss weights in the schedule, "
            "clip the gradients there, or try another seed"
        )

    def close_epoch(self, **facts: Any) -> dict:
        """Append the epoch's record, its mean losses and `facts`, to `history` and return it."""
        record = {"epoch": self._epoch + 1, **{k: v / max(self.count, 1) for k, v in self.sums.items()}, **facts}
        self.history.append(record)
        self.sums.clear()
        self.count = 0
        return record


def model_device(model: torch.nn.Module) -> torch.device:
    """Return the device of a model's parameters."""
    return next(model.parameters()).device
