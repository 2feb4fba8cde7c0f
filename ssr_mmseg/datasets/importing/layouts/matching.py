"""Matching of images with labels by their names, which may differ at the end."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ssr_mmseg.datasets.importing.layouts.files import examples
from ssr_mmseg.datasets.importing.layouts.options import LayoutOptions
from ssr_mmseg.datasets.importing.layouts.path_words import IMAGE_ENDS
from ssr_mmseg.utils.errors import UserError


@dataclass(frozen=True)
class Picture:
    """An image or a label.

    Attributes:
        path: Relative to the source.
        split: `train`, `val`, `test` or None.
        rest: Its other folders, with a closing `/`.
        stem: Its name without suffix.
    """

    path: PurePosixPath
    split: str | None
    rest: str
    stem: str


# What must be equal in an image and its label besides the name's beginning, from strict to lenient.
LEVELS: tuple[Callable[[Picture, str], tuple], ...] = (
    lambda picture, base: (picture.split, picture.rest + base),
    lambda picture, base: (picture.split, (picture.rest + base).lower()),
    lambda picture, base: (picture.split, base.lower()),
    lambda picture, base: (base.lower(),),
)


@dataclass
class Matching:
    """Labels of every image by the end of the labels' names, for one way to compare names."""

    labels: dict[Picture, dict[str, list[Picture]]]
    orphans: list[Picture]
    image_end: str

    def coverage(self) -> Counter[str]:
        """Return the number of images that have a label, by the end of its name."""
        return Counter(end for by_end in self.labels.values() for end in by_end)

    def complete_ends(self) -> list[str]:
        """Return the ends of which every image has a label."""
        return [end for end, count in self.coverage().items() if count == len(self.labels)]


def match(
    root: Path, images: Sequence[Picture], labels: Sequence[Picture], options: LayoutOptions
) -> tuple[list[tuple[str, Picture, Picture]], list[str]]:
    """Return the pairs of images and labels, each with its key, and notes.

    Raises:
        UserError: An image or a label has no counterpart, or several.
    """
    matching = _best_matching(root, images, labels, options)
    end = _chosen_end(root, matching, options)
    without = [image.path for image, by_end in matching.labels.items() if end not in by_end]
    if without:
        raise UserError(
            f"{len(without)} of {len(images)} images in {root} without a label: {examples(without, len(without))}; "
            f"{_expectation(end)}add the labels or move the images away"
        )
    if matching.orphans:
        paths = [label.path for label in matching.orphans]
        raise UserError(
            f"{len(paths)} of {len(labels)} labels in {root} without an image: {examples(paths, len(paths))}; add the "
            "images or move the labels away"
        )
    pairs = []
    for image, by_end in matching.labels.items():
        first, *more = by_end[end]
        if more:
            raise UserError(f"image {root / image.path} has two labels, {first.path} and {more[0].path}; remove one")
        pairs.append((image.rest + image.stem[: len(image.stem) - len(matching.image_end)], image, first))
    others = {other: count for other, count in matching.coverage().items() if other != end}
    notes = [f"{count} labels whose names end in {other} are not read" for other, count in sorted(others.items())]
    return pairs, notes


def _best_matching(
    root: Path, images: Sequence[Picture], labels: Sequence[Picture], options: LayoutOptions
) -> Matching:
    """Return the strictest matching in which every image has a label, or else the strictest one with most pairs."""
    best: Matching | None = None
    for level in LEVELS:
        for image_end in _image_ends(images, options):
            matching = _match_by(root, images, labels, image_end, options.label_suffix, level)
            if matching is None:
                continue
            if best is None or _matched(matching) > _matched(best):
                best = matching
    if best is None:
        raise UserError(f"several images in {root} have the same name; rename them, or set layout.images")
    return best


def _matched(matching: Matching) -> int:
    return max(matching.coverage().values(), default=0)


def _image_ends(images: Sequence[Picture], options: LayoutOptions) -> list[str]:
    """Return the ends that the names of all images may have in addition to the beginning they share with a label."""
    if options.image_suffix is not None:
        return [options.image_suffix]
    return ["", *(end for end in IMAGE_ENDS if all(image.stem.lower().endswith(end) for image in images))]


def _match_by(
    root: Path,
    images: Sequence[Picture],
    labels: Sequence[Picture],
    image_end: str,
    label_end: str | None,
    level: Callable[[Picture, str], tuple],
) -> Matching | None:
    """Match the names at one level; None if two images cannot be distinguished there."""
    bases: dict[tuple, Picture] = {}
    for image in images:
        if image_end and not image.stem.lower().endswith(image_end.lower()):
            continue
        base = image.stem[: len(image.stem) - len(image_end)]
        other = bases.setdefault(level(image, base), image)
        if other is not image:
            if other.path.with_suffix("") == image.path.with_suffix(""):
                raise UserError(f"{root / other.path} and {image.path.name} would share one label; remove one")
            return None
    found: dict[Picture, dict[str, list[Picture]]] = {image: defaultdict(list) for image in images}
    orphans = []
    for label in labels:
        for length in range(len(label.stem), 0, -1):  # the longest beginning that is an image's name
            end = label.stem[length:]
            if end[:1].isalnum() and end != label_end:
                continue  # img_10 is not a label of img_1
            image_of = bases.get(level(label, label.stem[:length]))
            if image_of is not None:
                found[image_of][end].append(label)
                break
        else:
            orphans.append(label)
    return Matching(found, orphans, image_end)


def _chosen_end(root: Path, matching: Matching, options: LayoutOptions) -> str:
    """Return the end of the labels' names: the configured one, the only one that all images have, or the commonest.

    Raises:
        UserError: Several would do.
    """
    if options.label_suffix is not None:
        return options.label_suffix
    complete = matching.complete_ends()
    if "" in complete:
        return ""
    if len(complete) > 1:
        raise UserError(
            f"every image in {root} has {len(complete)} labels, with names that end in {', '.join(sorted(complete))}; "
            f"choose one with layout: {{label_suffix: {sorted(complete)[0]}}}"
        )
    coverage = matching.coverage()
    return max(coverage, key=lambda end: (coverage[end], end == "")) if coverage else ""


def _expectation(end: str) -> str:
    return f"expected names that end in {end}; " if end else ""
