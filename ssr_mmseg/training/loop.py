"""The epoch loop: position known at every iteration, randomness derived from it."""

import time
from collections import defaultdict
from typing import Any

from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS

from ssr_mmseg.training.data import seed_everything


@LOOPS.register_module()
class ResumableTrainLoop(EpochBasedTrainLoop):
    """mmengine's epoch loop that can start at any iteration and give the same result as if it had run through.

    The dataloader's sampler is a `PositionSampler`; before each iteration all generators are seeded from the seed and
    the iteration's number. `history` holds one record of mean losses per epoch and belongs to the state.
    """

    def __init__(self, runner: Any, dataloader: Any, max_epochs: int, **options: Any) -> None:
        super().__init__(runner, dataloader, max_epochs, **options)
        self.history: list[dict] = []
        self.seconds = 0.0  # spent on iterations and their data, over all the runs of this training
        self.sums: dict[str, float] = defaultdict(float)  # of this epoch's loss terms
        self.count = 0

    @property
    def steps_per_epoch(self) -> int:
        """Iterations of an epoch."""
        return len(self.dataloader)

    def start_at(self, iteration: int) -> None:
        """Continue behind `iteration` finished iterations."""
        self._iter = iteration
        self._epoch = iteration // self.steps_per_epoch

    def run_epoch(self) -> None:
        """Run the rest of the current epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        first = self._iter - self._epoch * self.steps_per_epoch
        started = time.monotonic()
        for index, batch in enumerate(self.batches(first), start=first):
            seed_everything(self.runner.seed, self._iter)
            self.run_iter(index, batch)
            now = time.monotonic()
            self.seconds += now - started  # with the wait for the batch
            started = now
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def batches(self, first: int) -> Any:
        """The batches of the current epoch from the `first` on."""
        self.dataloader.sampler.start(self._epoch, first * self.dataloader.batch_size)
        return self.dataloader

    def note(self, terms: dict[str, float]) -> None:
        """Add an iteration's loss terms to the epoch's means; a term that is not finite stops the training."""
        for name, value in terms.items():
            if value != value or value in (float("inf"), float("-inf")):
                raise FloatingPointError(f"{name} is {value} at iteration {self._iter}: the training has diverged")
            self.sums[name] += value
        self.count += 1

    def close_epoch(self, **facts: Any) -> dict:
        """Append the epoch's record to `history`, with `facts` beside the mean losses."""
        record = {"epoch": self._epoch + 1, **{k: v / max(self.count, 1) for k, v in self.sums.items()}, **facts}
        self.history.append(record)
        self.sums.clear()
        self.count = 0
        return record
