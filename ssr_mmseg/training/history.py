"""History of a training: the mean of each loss term per epoch, and the error of a training that has diverged."""

import math
from collections import defaultdict
from typing import Any

import torch
from torch import Tensor

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.safe_parsing import check_plain


class History:
    """Accumulates loss terms into means, and keeps the records of the epochs, or other periods, that have ended.

    Terms on a GPU are read late and all at once, because reading synchronizes with the GPU: whenever `sums`, `means`,
    `close` or `state` is used.

    Attributes:
        records: One dictionary of plain values per period; always the same list, so that it can be shared.
        count: Number of iterations in the current period.
        unread: Iteration, epoch and terms of the iterations whose terms have not been read.
    """

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.count = 0
        self.unread: list[tuple[int, int | None, dict[str, float | Tensor]]] = []
        self._sums: dict[str, float] = defaultdict(float)  # without the unread terms

    def note(self, terms: dict[str, float | Tensor], iteration: int, epoch: int | None = None) -> None:
        """Add an iteration's loss terms, numbers or tensors of one element, to the means of the current period.

        Args:
            terms: The terms by name.
            iteration: Number of the iteration, from 1, for messages.
            epoch: Number of the epoch, from 1, for messages; None if the training has no epochs.

        Raises:
            UserError: A term is not finite, so the training has diverged. For terms on a GPU it is raised when they
                are read.
        """
        kept = {name: value.detach() if torch.is_tensor(value) else value for name, value in terms.items()}
        self.unread.append((iteration, epoch, kept))
        self.count += 1
        if all(not torch.is_tensor(value) or value.device.type == "cpu" for value in terms.values()):
            self._read()

    @property
    def sums(self) -> dict[str, float]:
        """Sums of the loss terms over the current period; reading them raises the same errors as `note`."""
        self._read()
        return self._sums

    def means(self) -> dict[str, float]:
        """Return the mean of each term over the current period so far; raises the same errors as `note`."""
        return {name: value / max(self.count, 1) for name, value in self.sums.items()}

    def close(self, **position: int) -> dict[str, Any]:
        """End the period: append its record, `position` and the means, to `records`, and return it.

        Raises:
            UserError: A term is not finite.
        """
        record: dict[str, Any] = {**position, **self.means()}
        self.records.append(record)
        self._sums.clear()
        self.count = 0
        return record

    def state(self) -> dict[str, Any]:
        """Return what `load` restores: plain values only.

        Raises:
            UserError: A term is not finite, so nothing must be saved.
        """
        return {"records": self.records, "sums": dict(self.sums), "count": self.count}

    def load(self, state: dict[str, Any]) -> None:
        """Restore a state; the list `records` stays the same object.

        Raises:
            ValueError: The state is none, or could not be written as JSON.
        """
        check_plain(state)
        if not all(isinstance(record, dict) for record in state["records"]):
            raise ValueError("a history whose records are not mappings")
        if not all(isinstance(value, float | int) for value in (*state["sums"].values(), state["count"])):
            raise ValueError("a history whose sums are not numbers")
        self.records[:] = state["records"]
        self.unread.clear()
        self._sums.clear()
        self._sums.update(state["sums"])
        self.count = state["count"]

    def _read(self) -> None:
        unread, self.unread = self.unread, []
        tensors = [v.reshape(()).float() for *_, terms in unread for v in terms.values() if torch.is_tensor(v)]
        values = iter(torch.stack([t.to(tensors[0].device) for t in tensors]).tolist() if tensors else [])
        for iteration, epoch, terms in unread:
            numbers = {name: next(values) if torch.is_tensor(value) else value for name, value in terms.items()}
            bad = [f"{name} is {number}" for name, number in numbers.items() if not math.isfinite(number)]
            if bad:
                raise diverged(", ".join(bad), iteration, epoch)
            for name, number in numbers.items():
                self._sums[name] += number


def diverged(problem: str, iteration: int, epoch: int | None = None) -> UserError:
    """Return the error for a training that has diverged.

    Args:
        problem: What is not finite.
        iteration: Number of the iteration, from 1.
        epoch: Number of the epoch, from 1; None if the training has no epochs.
    """
    position = f"iteration {iteration}" + (f" (epoch {epoch})" if epoch else "")
    return UserError(
        f"the training has diverged: {problem} at {position}; "
        "the last good state is kept; lower the learning rate or the loss weights in the mmengine config, "
        "clip the gradients there, or try another seed"
    )
