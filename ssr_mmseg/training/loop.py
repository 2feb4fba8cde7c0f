"""The epoch loop: position known at every iteration, randomness derived from it."""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from typing import Any

import torch
from mmengine import dist
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS
from torch import Tensor

from ssr_mmseg.jobs import preemption
from ssr_mmseg.training.data.device_loader import build_loader
from ssr_mmseg.training.data.seeded_dataset import seed_everything
from ssr_mmseg.training.step import train_step
from ssr_mmseg.utils.errors import UserError


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop that can start at any iteration and give the same result as if it had run through.

    The dataloader's sampler is a `PositionSampler`; before each iteration all generators are seeded from the seed and
    the iteration's number. `history` holds one record of mean losses per epoch and belongs to the state.

    A stop (see `ssr_mmseg.jobs.preemption`) waits for the end of an iteration, or cuts short the wait for a batch.
    """

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int, **options: Any) -> None:
        loader = build_loader(dataloader, runner.seed, device_of(runner.model))
        super().__init__(runner, loader, max_epochs, **options)
        self.history: list[dict] = []
        self.seconds = 0.0  # spent on iterations and their data, over all the runs of this training
        self.waited = 0.0  # of them, for data
        self._sums: dict[str, float] = defaultdict(float)  # of this epoch's loss terms, as far as they are read
        self._unread: list[tuple[int, dict[str, float | Tensor]]] = []  # the iteration's number from 1, and its terms
        self.count = 0
        self.save: Callable[[], None] = lambda: None  # the hook that keeps the state puts itself here
        self.miou: float | None = None  # on val, in percent, when it was last measured
        self.cleanup = ExitStack()  # of hooks: closed when the training ends, however it does

    def facts(self) -> dict[str, float]:
        """What there is to tell about a training besides its losses: of a search, the state of its gates."""
        return {}

    @property
    def noise_key(self) -> tuple[int, ...]:
        """What tells the noise of this process from that of the others."""
        return (dist.get_rank(),) if dist.get_rank() else ()

    @property
    def steps_per_epoch(self) -> int:
        """Iterations of an epoch."""
        return len(self.dataloader)

    def start_at(self, iteration: int) -> None:
        """Continue behind `iteration` finished iterations."""
        self._iter = iteration
        self._epoch = iteration // self.steps_per_epoch

    def run(self) -> Any:
        """Train from the current position to the last epoch, or until told to stop."""
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
            self.seconds += now - started  # with the wait for the batch
            started = now
        self._read()  # waits until the device has done what the iterations asked for
        self.seconds += time.monotonic() - started
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def run_iter(self, idx: int, data_batch: Any) -> None:
        """One step on one batch."""
        self.runner.call_hook("before_train_iter", batch_idx=idx, data_batch=data_batch)
        outputs = train_step(self.runner.model, data_batch, self.runner.optim_wrapper)
        self.runner.call_hook("after_train_iter", batch_idx=idx, data_batch=data_batch, outputs=outputs)
        self._iter += 1

    def _wait(self, function: Callable, *arguments: Any) -> Any:
        """Call a function that gets data. Whatever ends the wait, the state before it is whole and is saved.

        Data-parallel processes cannot leave each other here: they stop together, behind an iteration.
        """
        asked = time.monotonic()
        try:
            with preemption.interruptible() if dist.get_world_size() == 1 else nullcontext():
                return function(*arguments)
        except UserError as error:
            self.save()
            last = str(error).splitlines()[-1]  # a loader process sends its traceback before it
            raise UserError(last.partition("UserError: ")[2] or last) from error
        except BaseException:
            self.save()
            raise
        finally:
            self.waited += time.monotonic() - asked

    def batches(self, first: int) -> Any:
        """The batches of the current epoch from the `first` on."""
        self.dataloader.sampler.start(self._epoch, first * self.dataloader.batch_size)
        return self.dataloader

    @property
    def data_wait_share(self) -> float:
        """Share of the training's time that it waited for data."""
        return self.waited / self.seconds if self.seconds else 0.0

    def note(self, terms: dict[str, float | Tensor]) -> None:
        """Add an iteration's loss terms, numbers or tensors of one element, to the epoch's means.

        Terms on a GPU are read later, all at once, since reading one makes the CPU wait: when progress is told, at the
        epoch's end, and before every save.

        Raises:
            UserError: a term is not finite: the training has diverged. Nothing is saved after that.
        """
        self._unread.append((self._iter + 1, {k: v.detach() if torch.is_tensor(v) else v for k, v in terms.items()}))
        self.count += 1
        if all(not torch.is_tensor(value) or value.device.type == "cpu" for value in terms.values()):
            self._read()

    @property
    def sums(self) -> dict[str, float]:
        """Sums of this epoch's loss terms; raises as `note` does."""
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

    def diverged(self, what: str, iteration: int) -> UserError:
        """The error that says what is not finite, after which iteration, and what to try."""
        epoch = (iteration - 1) // self.steps_per_epoch + 1
        return UserError(
            f"the training has diverged: {what} at iteration {iteration} (epoch {epoch}); the last good state is kept; "
            "lower the learning rate or the loss weights in the schedule, clip the gradients there, or try another seed"
        )

    def close_epoch(self, **facts: Any) -> dict:
        """Append the epoch's record to `history`, with `facts` beside the mean losses."""
        record = {"epoch": self._epoch + 1, **{k: v / max(self.count, 1) for k, v in self.sums.items()}, **facts}
        self.history.append(record)
        self.sums.clear()
        self.count = 0
        return record


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model's parameters are."""
    return next(model.parameters()).device
