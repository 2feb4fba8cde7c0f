"""Images and label pictures in folders: which is which, and the splits, are read from the names of folders and files.

This covers `train/images` with `train/labels`, `images/train` with `masks/train`, mmseg's `img_dir` with `ann_dir`,
`train` with `trainannot`, Cityscapes' `leftImg8bit` with `gtFine`, flat `images` with `labels`, and `a.jpg` next to
`a_mask.png`.
"""

from pathlib import PurePosixPath

from ssr_mmseg.datasets.importing.label_file import LabelFile
from ssr_mmseg.datasets.importing.layouts.files import SourceFiles, examples
from ssr_mmseg.datasets.importing.layouts.matching import Picture, match
from ssr_mmseg.datasets.importing.layouts.options import LayoutOptions
from ssr_mmseg.datasets.importing.layouts.path_words import IMAGE_ENDS, LABEL_ENDS, place_of
from ssr_mmseg.datasets.importing.raw_label import Pair
from ssr_mmseg.utils.errors import UserError


def read(files: SourceFiles, options: LayoutOptions) -> tuple[list[Pair], list[str]]:
    """Find the pairs of images and label pictures.

    Returns:
        The pairs, sorted by split and key, and notes for the user.

    Raises:
        UserError: There are none, an image or a label has no counterpart, or one has several.
    """
    images, labels, rest = sort_by_role(files, options)
    if not images or not labels:
        what = "labels for its images" if images else "images"
        raise UserError(
            f"found no {what} in {files.root}; expected folders such as train/images and train/labels, or images and "
            "labels, or a.jpg next to a_mask.png; name them with layout: {images: FOLDER, labels: FOLDER}"
        )
    matches, notes = match(files.root, images, labels, options)
    if rest:
        notes.append(f"not read, because no folder says what they are: {examples(rest, len(rest))}")
    pairs = [
        Pair(key, image.split, files.root / image.path, LabelFile(files.root / label.path))
        for key, image, label in matches
    ]
    return sorted(pairs, key=lambda pair: (pair.split or "", pair.key)), notes


def sort_by_role(
    files: SourceFiles, options: LayoutOptions
) -> tuple[list[Picture], list[Picture], list[PurePosixPath]]:
    """Return images, labels, and pictures that are neither: by their folders, or else by the ends of their names."""
    places = {path: place_of(path, options.images, options.labels) for path in files.pictures}
    roles = {place.role for place in places.values()}
    names = {(path.parent, path.stem.lower()) for path in files.pictures}
    images, labels, rest = [], [], []
    for path, place in places.items():
        picture = Picture(path, place.split, place.rest, path.stem)
        if place.role == "label" or (place.role is None and "label" not in roles and _is_label(path, names, options)):
            labels.append(picture)
        elif place.role == "image" or "image" not in roles:
            images.append(picture)
        else:
            rest.append(path)
    if not labels and "image" in roles:  # labels may be next to the images, in a folder of that name
        labels = [picture for picture in images if _is_label(picture.path, names, options)]
        images = [picture for picture in images if picture not in labels]
    return images, labels, rest


def _is_label(path: PurePosixPath, names: set[tuple[PurePosixPath, str]], options: LayoutOptions) -> bool:
    """Return whether a picture is named like the label of another one in its folder."""
    stem = path.stem.lower()
    for end in [options.label_suffix.lower()] if options.label_suffix else LABEL_ENDS:
        base = stem.removesuffix(end)
        if base != stem and (options.label_suffix or any((path.parent, base + e) in names for e in ("", *IMAGE_ENDS))):
            return True
    return False
