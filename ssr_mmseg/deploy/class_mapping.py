"""Mapping from the classes of a file to those of a dataset, by names and numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.safe_parsing import quote

OTHER = 255  # a class that the dataset does not have, so that its pixels count as wrong
MAX_CLASS = 255  # largest number of a file's class
SHOWN = 20  # classes that a message lists

Entry = str | int | None  # name or number of a class of the dataset


@dataclass(frozen=True)
class ClassMapping:
    """The dataset's class for each class of a file.

    Attributes:
        numbers: Number in the dataset for each number in the file, `OTHER` for none, (256,), uint8.
        least: Fewest classes that the file has.
        count: How many it has; None if that is not known.
    """

    numbers: np.ndarray
    least: int
    count: int | None

    def has(self, length: int) -> bool:
        """Return whether an axis of that length may be that of the classes."""
        return self.least <= length <= MAX_CLASS + 1 if self.count is None else length == self.count

    @property
    def expected(self) -> str:
        """The number of classes, for a message."""
        return str(self.least) if self.count is not None else f"at least {self.least}"

    def apply(self, labels: np.ndarray) -> np.ndarray:
        """Return the dataset's class of each pixel, uint8, for the file's classes, integers from 0 to 255."""
        return self.numbers[labels]


def map_classes(
    entries: Sequence[Entry] | Mapping[str, Entry] | None, dataset: Sequence[str], origin: str
) -> ClassMapping:
    """Map the classes of a file to those of a dataset.

    Args:
        entries: The dataset's class, or None, for each class of the file: all in order, or by the file's number; a
            class that such a mapping leaves out has none. None: the file has the dataset's classes in its order.
        dataset: Names of the dataset's classes.
        origin: Start of the messages.

    Raises:
        UserError: The dataset has no such class, a number is out of range, or no class is left.
    """
    if entries is None:
        entries = list(range(len(dataset)))
    exact = not isinstance(entries, Mapping)
    numbered = entries.items() if isinstance(entries, Mapping) else enumerate(entries)
    by_number = {int(key): entry for key, entry in numbered}
    numbers = np.full(MAX_CLASS + 1, OTHER, np.uint8)
    for number, entry in by_number.items():
        if number > MAX_CLASS:
            raise UserError(f"{origin}: classes: expected numbers of at most {MAX_CLASS}, found {number}; correct it")
        numbers[number] = OTHER if entry is None else _class_number(entry, dataset, origin)
    if (numbers == OTHER).all():
        raise UserError(f"{origin}: classes: expected a class of the dataset at least, found none; name one")
    least = max(by_number) + 1
    return ClassMapping(numbers, least, least if exact else None)


def map_names(names: Sequence[str], dataset: Sequence[str], origin: str) -> ClassMapping:
    """Map the named classes of a file to those of a dataset; further classes of the file have none.

    Raises:
        UserError: The file lacks a class of the dataset.
    """
    if missing := [name for name in dataset if name not in names]:
        raise UserError(
            f"{origin} has no class {', '.join(map(quote, missing[:SHOWN]))} of the dataset; if that is meant, list "
            "the dataset's class for each of the file's in classes"
        )
    return map_classes([name if name in dataset else None for name in names], dataset, origin)


def _class_number(entry: str | int, dataset: Sequence[str], origin: str) -> int:
    """Return the number of a class of the dataset that is given by its name or number."""
    if isinstance(entry, int):
        if not 0 <= entry < len(dataset):
            raise UserError(
                f"{origin}: classes: the dataset has the numbers 0 to {len(dataset) - 1}, found {entry}; correct it"
            )
        return entry
    if entry not in dataset:
        close = get_close_matches(entry, dataset, n=1)
        hint = f" did you mean {quote(close[0])}?" if close else ""
        known = ", ".join([*map(quote, dataset[:SHOWN]), *(["…"] if len(dataset) > SHOWN else [])])
        raise UserError(
            f"{origin}: classes: the dataset has no class {quote(entry)};{hint} it has {known}; write null for a class "
            "of the file that the dataset lacks"
        )
    return dataset.index(entry)
