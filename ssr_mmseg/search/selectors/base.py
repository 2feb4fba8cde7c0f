"""The interface of selectors."""

from abc import ABC, abstractmethod
from typing import ClassVar

from mmengine.registry import Registry

from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.search.selection.task import SelectionTask
from ssr_mmseg.utils.errors import UserError

SELECTORS = Registry("selector")


class Selector(ABC):
    """A way to choose a network.

    Attributes:
        supernet: The supernet that it needs besides the search, as a literal text: one of `selector_supernets.KINDS`,
            or None. The workflow trains it, and its training time counts.
        trains: Whether it trains candidates, as a literal, too.
    """

    supernet: ClassVar[str | None] = None
    trains: ClassVar[bool] = False

    @abstractmethod
    def select(self, task: SelectionTask) -> Genotype:
        """Return a network of the task's space with about the task's cost."""


def check_range(
    selector: str, name: str, value: float, low: float, high: float = float("inf"), whole: bool = False
) -> None:
    """Check an argument of a selector.

    Raises:
        UserError: The value is not a number between `low` and `high`, or not an integer where it must be whole.
    """
    number = isinstance(value, int) if whole else isinstance(value, int | float)
    if not number or isinstance(value, bool) or not low <= value <= high:
        kind = "an integer" if whole else "a number"
        bounds = f"from {low:g} to {high:g}" if high != float("inf") else f"of at least {low:g}"
        raise UserError(f"selector {selector}: {name} is {value}, expected {kind} {bounds}; correct it in selectors")
