"""BDD100K semantic segmentation: mmseg's own dataset in the official layout."""

from ssr_mmseg.datasets.cityscapes import count_notes
from ssr_mmseg.datasets.preparation.verify import CheckedPair

OPTIONS: frozenset[str] = frozenset()
COUNTS = {"train": 7000, "val": 1000}


def check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]:
    """Note the splits whose size is not the official one."""
    return count_notes(checked, COUNTS)
