"""Validation on held-out sequences: whole sequences of train become val, and the source's own val is left aside.

A val that was cut out of the drives of train rewards networks that remember them. Sequences that train lacks do not.
The data are links to the source's files, in the layout of the source, so that its dataset class reads them as before.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ssr_mmseg.datasets.importing.clean_copy import link_text
from ssr_mmseg.datasets.importing.layouts.files import examples
from ssr_mmseg.datasets.importing.sequences import image_key, sequence_of
from ssr_mmseg.datasets.preparation.verify import CheckedPair
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.errors import UserError

FOLDER = "held_out"  # of the links, next to the manifest


@dataclass(frozen=True)
class Prefixes:
    """Folders of the images and labels of a split, below the folder of the data."""

    images: Path
    labels: Path


@dataclass(frozen=True)
class HeldOut:
    """Data of which sequences of train are val.

    Attributes:
        pairs: Verified pairs of each split, with the paths of the links.
        files: File that each link is to.
    """

    pairs: dict[str, list[CheckedPair]]
    files: dict[Path, Path]


def hold_out(
    settings: Mapping[str, Any],
    root: Path,
    target: Path,
    configs: Mapping[str, dict | None],
    checked: Mapping[str, Sequence[CheckedPair]],
) -> HeldOut:
    """Write links to the pairs of each split with the sequences `settings["hold_out"]` in val, and return the pairs.

    Args:
        settings: The dataset's entry in the experiment's configuration.
        root: Folder of the data.
        target: Folder of the links, which is replaced.
        configs: mmengine config of the dataset of each split.
        checked: Verified pairs of each split.

    Raises:
        UserError: Train has no such sequence, or no other; or splits have lists of their files, or tiles.
    """
    name = settings["name"]
    if settings.get("tiles") is not None:
        raise UserError(f"dataset {name}: hold_out and tiles cannot be combined; remove one of them")
    prefixes = {}
    for split in checked:
        config = configs[split] or {}
        if config.get("ann_file"):
            raise UserError(
                f"dataset {name}: hold_out cannot divide a type whose splits are lists of files (ann_file); write the "
                "lists accordingly"
            )
        prefixes[split] = Prefixes(*(Path(config["data_prefix"][key]) for key in ("img_path", "seg_map_path")))
    folder = root / prefixes["train"].images
    sequences = [sequence_of(image_key(pair.image.relative_to(folder)))[0] for pair in checked["train"]]
    held = _held(name, settings["hold_out"], sequences)
    divided = {
        "train": [pair for pair, out in zip(checked["train"], held, strict=True) if not out],
        "val": [pair for pair, out in zip(checked["train"], held, strict=True) if out],
    }
    divided |= {split: list(pairs) for split, pairs in checked.items() if split not in divided}
    result = HeldOut({}, {})
    with staged_folder(target) as staged:
        for file in sorted(root.iterdir()):  # such as a table of classes
            if file.is_file():
                _link(file, staged / file.name, target / file.name)
        for split, pairs in divided.items():
            source, place = prefixes["train" if split == "val" else split], prefixes[split]
            result.pairs[split] = []
            for pair in pairs:
                image = place.images / pair.image.relative_to(root / source.images)
                label = place.labels / pair.label.relative_to(root / source.labels)
                for file, path in ((pair.image, image), (pair.label, label)):
                    _link(file, staged / path, target / path)
                    result.files[target / path] = file
                result.pairs[split].append(replace(pair, image=target / image, label=target / label))
    return result


def note(settings: Mapping[str, Any], images: int) -> str:
    """Return a sentence about what val is."""
    names = list(settings["hold_out"])
    return f"val: {images} images of train in {examples(names, len(names))}, held out; the source's val is not used"


def _held(name: str, wanted: Sequence[str], sequences: Sequence[str]) -> list[bool]:
    """Return whether each image is held out, by the sequences of all images of train."""

    def is_in(sequence: str, group: str) -> bool:
        return sequence == group or sequence.startswith(f"{group}/")

    counts = Counter(sequences)
    listing = examples([f"{sequence} ({count})" for sequence, count in sorted(counts.items())], len(counts))
    for group in wanted:
        if not any(is_in(sequence, group) for sequence in counts):
            raise UserError(
                f"dataset {name}: hold_out names the sequence {group!r:.200}, which train does not have; it has "
                f"{listing}"
            )
    held = [any(is_in(sequence, group) for group in wanted) for sequence in sequences]
    if all(held):
        raise UserError(
            f"dataset {name}: hold_out takes every image of train; leave at least one sequence of {listing}"
        )
    return held


def _link(file: Path, link: Path, final: Path) -> None:
    """Create a link whose text is right once it is at its final path."""
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(link_text(file, final))
