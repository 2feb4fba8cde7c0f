"""BDD100K semantic segmentation in its official layout, read by mmseg's own dataset class."""

from ssr_mmseg.datasets.cityscapes import count_notes
from ssr_mmseg.datasets.preparation.verify import CheckedPair

OPTIONS: frozenset[str] = frozenset()
COUNTS = {"train": 7000, "val": 1000}


def check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]:
    """Return a note for each split whose number of images differs from the official release."""
    return count_notes(checked, COUNTS)
