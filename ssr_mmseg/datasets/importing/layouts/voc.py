"""Pascal VOC's layout: `JPEGImages`, `SegmentationClass`, and lists of names in `ImageSets/Segmentation`.

CVAT writes it too, with `default.txt` as the only list.
"""

from pathlib import Path, PurePosixPath

from ssr_mmseg.datasets.importing.label_file import LabelFile
from ssr_mmseg.datasets.importing.layouts.files import SourceFiles, examples
from ssr_mmseg.datasets.importing.layouts.options import LayoutOptions
from ssr_mmseg.datasets.importing.layouts.path_words import SPLITS
from ssr_mmseg.datasets.importing.raw_label import Pair
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes

LISTS, IMAGES, LABELS = "ImageSets/Segmentation", "JPEGImages", "SegmentationClass"
MAX_LIST_BYTES = 64 * 2**20


def find(files: SourceFiles) -> list[PurePosixPath]:
    """Return the lists of names of a VOC dataset, relative to the source; empty if it is none."""
    lists = [path for path in files.others if path.suffix == ".txt" and path.parent.match(LISTS)]
    folders = {parent for path in files.pictures for parent in path.parents}
    return [path for path in lists if path.parents[2] / LABELS in folders]


def read(files: SourceFiles, options: LayoutOptions) -> tuple[list[Pair], list[str]]:
    """Find the pairs that the lists name. Images without a label may be there: VOC has many.

    Raises:
        UserError: There is more than one dataset, a list is unreadable, or a named image or label is missing.
    """
    lists = find(files)
    roots = sorted({path.parents[2] for path in lists})
    if len(roots) != 1:
        raise UserError(f"{files.root} has {len(roots)} VOC datasets; set source to the folder of one")
    root = roots[0]
    images = _by_name(files, root / (options.images or IMAGES))
    labels = _by_name(files, root / (options.labels or LABELS))
    pairs: list[Pair] = []
    seen: dict[str, str | None] = {}
    for listed in _useful(lists):
        split = SPLITS.get(listed.stem.lower())
        for name in _names(files.root / listed):
            label_name = name + (options.label_suffix or "")
            for kind, found, stem in (("image", images, name), ("label", labels, label_name)):
                if stem not in found:
                    raise UserError(
                        f"{files.root / listed} names {name}, which has no {kind} {stem}; add it, or correct the list"
                    )
            if seen.setdefault(name, split) != split:
                raise UserError(
                    f"{name} is in the lists of {seen[name]} and {split} in {files.root / listed.parent}; remove it "
                    "from one"
                )
            pairs.append(Pair(name, split, files.root / images[name], LabelFile(files.root / labels[label_name])))
    if not pairs:
        raise UserError(f"the lists in {files.root / lists[0].parent} name no image; fill them, or set layout.type")
    unlisted = sorted(set(labels) - seen.keys())
    notes = [f"{len(unlisted)} labels are in no list: {examples(unlisted, len(unlisted))}"] if unlisted else []
    return sorted(pairs, key=lambda pair: (pair.split or "", pair.key)), notes


def _useful(lists: list[PurePosixPath]) -> list[PurePosixPath]:
    """Return the lists of the splits if there are any, otherwise the only other one, such as `default.txt`."""
    splits = [path for path in lists if path.stem.lower() in SPLITS]
    others = [path for path in lists if path not in splits]
    return splits or [path for path in others if path.stem == "trainval"] or others


def _names(path: Path) -> list[str]:
    """Read the names in a list, one per line, each once."""
    try:
        text = read_bytes(path, MAX_LIST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"could not read the list {path}: {error}; repair it") from error
    return list(dict.fromkeys(line.split()[0] for line in text.splitlines() if line.strip()))


def _by_name(files: SourceFiles, folder: PurePosixPath) -> dict[str, PurePosixPath]:
    """Return the pictures below a folder by their path in it, without suffix."""
    inside = [path for path in files.pictures if path.is_relative_to(folder)]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in inside}
