"""Words in the paths of labeled images: of splits, of folders of images and of labels, and at the ends of names."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

SPLITS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
IMAGES = (
    "images", "image", "imgs", "img", "img_dir", "jpegimages", "photos", "photo", "pictures", "rgb", "input", "inputs",
    "leftimg8bit", "color_images",
)  # fmt: skip
LABELS = (
    "labels", "label", "masks", "mask", "annotations", "annotation", "annots", "annot", "ann_dir", "ann", "gt", "gts",
    "gtfine", "groundtruth", "ground_truth", "seg", "segmentation", "segmentations", "segmentationclass", "sem_seg",
    "semantic", "targets", "target", "labelids", "label_images", "labels_png", "masks_png",
)  # fmt: skip
IMAGE_ENDS = ("_leftimg8bit", "_image", "_img", "_rgb", "_sat", "_im", "_photo")
LABEL_ENDS = (
    "_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt", "_annot", "_annotation", "_l",
    "-mask", "-label", "-seg", "-gt", ".mask", ".label", "_labeltrainids", "_gtfine_labeltrainids", "_gtfine_labelids",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """What the folders of a file say.

    Attributes:
        role: `image` or `label`; None if no folder says it.
        split: `train`, `val` or `test`; None if no folder says it.
        rest: The other folders, joined by `/`, with a closing `/`; empty without any.
    """

    role: str | None
    split: str | None
    rest: str


def place_of(path: PurePosixPath, images: str | None = None, labels: str | None = None) -> Place:
    """Return what the folders of a file say, given its path relative to the source; the innermost word counts.

    Args:
        images, labels: Folders of images and labels, relative to the source, if they are known.
    """
    folder, role, split = path.parent, None, None
    for known, name in ((images, "image"), (labels, "label")):
        if known is not None and folder.is_relative_to(known):
            role, folder = name, folder.relative_to(known)
            break
    rest = []
    for part in reversed(folder.parts):
        said_split, said_role = words_in(part)
        split, role = split or said_split, role or said_role
        if said_split is None and said_role is None:
            rest.append(part)
    return Place(role, split, "".join(f"{part}/" for part in reversed(rest)))


def words_in(folder: str) -> tuple[str | None, str | None]:
    """Return the split and the role that the name of a folder says, such as ("train", "label") for `trainannot`."""
    name = folder.lower().strip("_- ")
    role = role_of(name)
    if role is not None:
        return None, role
    for word in sorted(SPLITS, key=len, reverse=True):
        if name == word:
            return SPLITS[word], None
        for rest in (name.removeprefix(word), name.removesuffix(word)):
            role = role_of(rest.strip("_- .")) if rest != name else None
            if role is not None:
                return SPLITS[word], role
        if re.fullmatch(rf"{word}[_-]?(19|20)\d\d", name):  # train2017
            return SPLITS[word], None
    return None, None


def role_of(word: str) -> str | None:
    """Return the role of a folder of that name in lower case: `image`, `label` or None."""
    return "image" if word in IMAGES else "label" if word in LABELS else None
