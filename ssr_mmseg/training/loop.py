"""The epoch loop: position known at every iteration, randomness derived from it."""

import math
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS

from ssr_mmseg import stopping
from ssr_mmseg.errors import UserError
from ssr_mmseg.training.data import seed_everything


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop that can start at any iteration and give the same result as if it had run through.

    The dataloader's sampler is a `PositionSampler`; before each iteration all generators are seeded from the seed and
    the iteration's number. `history` holds one record of mean losses per epoch and belongs to the state.

    A stop (see `ssr_mmseg.stopping`) waits for the end of an iteration, or cuts short the wait for a batch.
    """

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int, **options: Any) -> None:
        super().__init__(runner, dataloader, max_epochs, **options)
        self.history: list[dict] = []
        self.seconds = 0.0  # spent on iterations and their data, over all the runs of this training
        self.sums: dict[str, float] = defaultdict(float)  # of this epoch's loss terms
        self.count = 0
        self.save: Callable[[], None] = lambda: None  # the hook that keeps the state puts itself here
        self.miou: float | None = None  # on val, in percent, when it was last measured
        self.cleanup = ExitStack()  # of hooks: closed when the training ends, however it does

    def facts(self) -> dict[str, float]:
        """What there is to tell about a training besides its losses: of a search, the state of its gates."""
        return {}

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
        with self.cleanup, stopping.stoppable(), stopping.deferred():
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
            seed_everything(self.runner.seed, self._iter)
            self.run_iter(index, batch)
            now = time.monotonic()
            self.seconds += now - started  # with the wait for the batch
            started = now
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _wait(self, function: Callable, *arguments: Any) -> Any:
        """Call a function that gets data. Whatever ends the wait, the state before it is whole and is saved."""
        try:
            with stopping.interruptible():
                return function(*arguments)
        except UserError as error:
            self.save()
            last = str(error).splitlines()[-1]  # a loader process sends its traceback before it
            raise UserError(last.partition("UserError: ")[2] or last) from error
        except BaseException:
            self.save()
            raise

    def batches(self, first: int) -> Any:
        """The batches of the current epoch from the `first` on."""
        self.dataloader.sampler.start(self._epoch, first * self.dataloader.batch_size)
        return self.dataloader

    def note(self, terms: dict[str, float]) -> None:
        """Add an iteration's loss terms to the epoch's means.

        Raises:
            UserError: a term is not finite: the training has diverged. Nothing is saved after that.
        """
        bad = [f"{name} is {value}" for name, value in terms.items() if not math.isfinite(value)]
        if bad:
            raise self.diverged(", ".join(bad), self._iter + 1)
        for name, value in terms.items():
            self.sums[name] += value
        self.count += 1

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
