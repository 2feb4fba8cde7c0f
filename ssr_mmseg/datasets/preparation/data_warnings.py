"""What is suspicious about prepared data: results on them are to be read with it, or the data to be corrected."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ssr_mmseg.datasets.importing.layouts.files import examples
from ssr_mmseg.datasets.importing.sequences import image_key
from ssr_mmseg.datasets.preparation.similarity import near_duplicates, shared_sequences
from ssr_mmseg.datasets.preparation.verify import CheckedPair
from ssr_mmseg.utils.errors import UserError

FEW = 5  # images, below which a split's mIoU is a matter of chance
Checked = Mapping[str, Sequence[CheckedPair]]


def check_usable(name: str, classes: Sequence[str], checked: Checked) -> None:
    """Refuse data that a network cannot learn from, or cannot be evaluated on.

    Raises:
        UserError: A split has no labeled pixel, or the training labels have a single class.
    """
    for split, pairs in checked.items():
        pixels = np.sum([pair.pixels for pair in pairs], axis=0)
        if not pixels.any():
            raise UserError(
                f"dataset {name}: every pixel of every label in {split} is ignored; check ignore, and what the values "
                "of the labels mean"
            )
        if split == "train" and np.count_nonzero(pixels) == 1:
            only = classes[int(np.flatnonzero(pixels)[0])]
            raise UserError(
                f"dataset {name}: every labeled pixel in train is of the class {only}, so there is nothing to learn; "
                "check what the values of the labels mean (label_map)"
            )


def data_warnings(
    classes: Sequence[str], checked: Checked, folders: Mapping[str, Path], similar: Sequence[str] | None = None
) -> list[str]:
    """Return a line for each doubt about the data.

    Args:
        classes: Class names.
        checked: Verified pairs of each split.
        folders: Folder of the images of each split.
        similar: Lines about similar images in different splits, if they are known.
    """
    found = similar_images(checked, folders) if similar is None else similar
    return [*_missing_classes(classes, checked), *_small_splits(checked), *found]


def _missing_classes(classes: Sequence[str], checked: Checked) -> Iterator[str]:
    """Yield a line for each split in which classes have no pixel."""
    for split, pairs in checked.items():
        pixels = np.sum([pair.pixels for pair in pairs], axis=0)
        missing = [name for name, count in zip(classes, pixels, strict=True) if not count]
        if missing:
            effect = "no network can learn them" if split == "train" else f"mIoU on {split} does not measure them"
            noun = "class has" if len(missing) == 1 else "classes have"
            effect = effect.replace("them", "it") if len(missing) == 1 else effect
            yield f"{len(missing)} {noun} no pixel in {split} ({examples(missing, len(missing))}): {effect}"


def _small_splits(checked: Checked) -> Iterator[str]:
    for split, pairs in checked.items():
        if split != "train" and len(pairs) < FEW:
            noun = "1 image" if len(pairs) == 1 else f"{len(pairs)} images"
            yield f"{split} has {noun} only: accuracy there is a matter of chance"


def similar_images(checked: Checked, folders: Mapping[str, Path]) -> Iterator[str]:
    """Yield a line for each two splits that share images, or frames of a sequence."""
    contents = {split: {pair.image_sha256: pair.image for pair in pairs} for split, pairs in checked.items()}
    splits = list(contents)
    for number, first in enumerate(splits):
        for second in splits[number + 1 :]:
            shared = [contents[first][key] for key in contents[first].keys() & contents[second].keys()]
            if shared:
                noun = "1 image is" if len(shared) == 1 else f"{len(shared)} images are"
                yield (
                    f"{noun} in both {first} and {second}, such as {min(shared).name}: remove them from one, or scores "
                    "look better than they are"
                )
    prints = {split: np.stack([pair.fingerprint for pair in pairs]) for split, pairs in checked.items()}
    names = {
        split: [image_key(pair.image.relative_to(folders[split])) for pair in pairs] for split, pairs in checked.items()
    }
    hashes = {
        (split, name): pair.image_sha256
        for split in checked
        for name, pair in zip(names[split], checked[split], strict=True)
    }
    for finding in near_duplicates(prints, names):
        first, second = finding.splits
        other = tuple(pair for pair in finding.pairs if hashes[first, pair[0]] != hashes[second, pair[1]])
        if other:  # identical files are reported above
            yield replace(finding, pairs=other).message
    yield from (finding.message for finding in shared_sequences(names, prints))
