"""Epoch loop that can resume at any iteration, because all randomness is derived from the iteration number."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from mmengine import dist
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.data.loaders import build_loaders
from ssr_mmseg.training.data.seeded_dataset import seed_everything
from ssr_mmseg.training.step import train_step
from ssr_mmseg.utils.errors import UserError


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop, able to start at any iteration with the same result as an uninterrupted run.

    `build_loaders` builds the dataloader, and all generators are seeded before each iteration from the seed and the
    iteration number.

    A stop (see `ssr_mmseg.jobs.preemption`) takes effect after an iteration, or interrupts the wait for a batch.
    """

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int, **options: Any) -> None:
        if isinstance(dataloader, Mapping):
            (dataloader,) = build_loaders(dataloader, runner)
        super().__init__(runner, dataloader, max_epochs, **options)
        self.seconds = 0.0  # training time including data loading, summed over all resumed runs
        self.waited = 0.0  # part of `seconds` spent waiting for data
        self.save: Callable[[], None] = lambda: None  # set by StateHook to its save function
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

    @property
    def max_iters(self) -> int:
        """Number of iterations of the whole training."""
        return self._max_epochs * self.steps_per_epoch

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
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()  # an epoch has ended when its last iteration has been computed
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


def model_device(model: torch.nn.Module) -> torch.device:
    """Return the device of a model's parameters."""
    return next(model.parameters()).device
