"""Choice of the layout of a source: the configured one, or the one that its files fit."""

from collections.abc import Callable
from dataclasses import dataclass

from ssr_mmseg.datasets.importing.layouts import coco, folders, labelme, voc
from ssr_mmseg.datasets.importing.layouts.files import SourceFiles, examples
from ssr_mmseg.datasets.importing.layouts.options import LayoutOptions
from ssr_mmseg.datasets.importing.raw_label import Pair
from ssr_mmseg.utils.errors import UserError


@dataclass(frozen=True)
class Layout:
    """One kind of layout.

    Attributes:
        title: What it is, for the user.
        fits: Whether the files of a source have the layout.
        read: Returns the pairs, and notes for the user.
    """

    title: str
    fits: Callable[[SourceFiles, LayoutOptions], bool]
    read: Callable[[SourceFiles, LayoutOptions], tuple[list[Pair], list[str]]]


def _has_label_pictures(files: SourceFiles, options: LayoutOptions) -> bool:
    images, labels, _ = folders.sort_by_role(files, options)
    return bool(images and labels)


LAYOUTS = {
    "voc": Layout(
        "Pascal VOC: JPEGImages, SegmentationClass and lists in ImageSets/Segmentation",
        lambda files, _: bool(voc.find(files)),
        voc.read,
    ),
    "coco": Layout(
        "COCO annotations in JSON",
        lambda files, _: bool(coco.find(files.root)),
        lambda files, _: coco.read(files.root),
    ),
    "labelme": Layout(
        "labelme annotations, a JSON file per image",
        lambda files, _: bool(labelme.find(files.root)),
        lambda files, _: labelme.read(files.root),
    ),
    "folders": Layout("images and label pictures in folders", _has_label_pictures, folders.read),
}


@dataclass(frozen=True)
class Found:
    """The pairs of a source.

    Attributes:
        layout: Name of its layout.
        pairs: Images with labels, sorted by split and key.
        notes: Sentences for the user.
    """

    layout: str
    pairs: list[Pair]
    notes: list[str]


def find_pairs(files: SourceFiles, options: LayoutOptions) -> Found:
    """Find the images of a source and their labels.

    Raises:
        UserError: No layout fits, several do, or a file of the layout is missing or malformed.
    """
    unread = files.unread()
    if unread and not files.pictures:
        raise UserError(
            f"{files.root} holds {examples(unread, len(unread))}, which are not read; convert them to PNG or JPEG "
            "images"
        )
    name = options.type or _detect(files, options)
    if name not in LAYOUTS:
        raise UserError(f"unknown layout {name}; expected one of: {', '.join(LAYOUTS)}")
    pairs, notes = LAYOUTS[name].read(files, options)
    splits = {pair.split for pair in pairs}
    if None in splits and len(splits) > 1:  # lists or folders name the splits of some only
        without = [pair.key for pair in pairs if pair.split is None]
        raise UserError(
            f"{len(without)} of {len(pairs)} images in {files.root} are in none of the splits: "
            f"{examples(without, len(without))}; move them to train, val or test"
        )
    return Found(name, pairs, [f"layout: {LAYOUTS[name].title}", *notes])


def _detect(files: SourceFiles, options: LayoutOptions) -> str:
    """Return the name of the layout that fits.

    Raises:
        UserError: None does, or several.
    """
    fitting = [name for name, layout in LAYOUTS.items() if layout.fits(files, options)]
    if "voc" in fitting:
        return "voc"  # the lists decide; its folders fit `folders`, too
    if len(fitting) > 1:
        raise UserError(
            f"{files.root} has labels of several kinds: {', '.join(fitting)}; choose one with layout: "
            f"{{type: {fitting[0]}}}"
        )
    return fitting[0] if fitting else "folders"  # whose error says what is expected
