"""Labeled images as strangers bring them: each case is read with the right ids, or refused with its cause.

The cases follow public reports; the comments name them.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS
from PIL import Image, ImageOps
from strangers_data import CLASSES, COLORS, SIZE, Source, as_colors, as_palette, gray_png, ids, picture

from ssr_mmseg.datasets import read_manifest, split_configs
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.utils.errors import UserError

WHITE = "#ffffff"  # of ignored pixels in `as_colors`
COLOR_MAP = {"#000000": "background", "#804080": "road", "#00008e": "car"}
BY_COLOR = {"label_map": COLOR_MAP, "ignore": [WHITE], "classes": None}
FLAT = {"split": {"val": 0.3, "test": 0.3, "seed": 1, "by": "image"}}


@dataclass(frozen=True)
class Case:
    """One dataset of a stranger.

    Attributes:
        name: What is special about it.
        write: Writes it.
        settings: Keys of its entry that are not the defaults of `settings`.
        refused: Pattern of the message; None if it is read, with ids as in `Source.truth`.
        warns: Pattern of a warning in the manifest.
        notes: Pattern of a note in the manifest.
    """

    name: str
    write: Callable[[Source], object]
    settings: dict = field(default_factory=dict)
    refused: str | None = None
    warns: str | None = None
    notes: str | None = None


def frames(**options) -> Callable[[Source], Source]:
    """Return a writer of all frames (see `Source.write`)."""
    return lambda source: source.write(**options)


def then(*steps: Callable[[Source], object], **options) -> Callable[[Source], None]:
    """Return a writer of all frames that then damages them."""

    def write(source: Source) -> None:
        source.write(**options)
        for step in steps:
            step(source)

    return write


def gray(factor: int, dtype=np.uint8, ignored: int = 255) -> Callable[[np.ndarray], Image.Image]:
    """Return an encoding that multiplies ids by a factor."""
    return lambda labels: Image.fromarray(
        np.where(labels == 255, ignored, labels.astype(np.int64) * factor).astype(dtype)
    )


def few_bits(bits: int) -> Callable[[np.ndarray], bytes]:
    """Return an encoding as a grayscale PNG of few bits."""
    return lambda labels: gray_png(labels, bits)


def as_rgb_ids(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([labels] * 3, axis=-1))


def with_alpha(alpha: int) -> Callable[[np.ndarray], Image.Image]:
    """Return an encoding as RGBA in which ignored pixels have an alpha of `alpha`."""

    def encode(labels: np.ndarray) -> Image.Image:
        image = as_colors(labels, "RGBA")
        image.putalpha(Image.fromarray(np.where(labels == 255, alpha, 255).astype(np.uint8)))
        return image

    return encode


def changing_palette() -> Callable[[np.ndarray], Image.Image]:
    """Return an encoding whose palette has another order in every other file."""
    orders = iter([(0, 1, 2), (2, 1, 0)] * 100)
    return lambda labels: as_palette(labels, next(orders))


def smooth(labels: np.ndarray) -> Image.Image:
    """Return colors with smooth edges."""
    return as_colors(labels).rotate(3, Image.Resampling.BICUBIC)


def binary(value: int) -> Callable[[np.ndarray], Image.Image]:
    return lambda labels: Image.fromarray(np.where(labels == 1, value, 0).astype(np.uint8))


def remove(name: str) -> Callable[[Source], None]:
    return lambda source: (source.root / name).unlink()


def put(name: str, content: bytes) -> Callable[[Source], object]:
    def write(source: Source) -> None:
        (source.root / name).parent.mkdir(parents=True, exist_ok=True)
        (source.root / name).write_bytes(content)

    return write


def relabel(split: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Source], None]:
    """Change all labels of a split in our own layout."""

    def write(source: Source) -> None:
        for path in (source.root / split / "labels").glob("*.png"):
            labels = change(np.asarray(Image.open(path)).copy())
            Image.fromarray(labels).save(path)
            source.truth[split, path.stem] = labels

    return write


def turn(orientation: int, size: tuple[int, int] = SIZE, raw: bool = False) -> Callable[[Source], None]:
    """Write JPEG images with an EXIF orientation, whose labels were drawn upright or on the stored pixels."""

    def write(source: Source) -> None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        source.write(size=size)
        for path in list(source.root.rglob("images/*.png")):
            image, label = Image.open(path), path.parent.parent / "labels" / path.name
            image.convert("RGB").save(path.with_suffix(".jpg"), exif=exif)
            path.unlink()
            stored = Image.open(label)
            turned = upright(stored, orientation)
            if not raw:
                turned.save(label)
            source.truth[path.parent.parent.name, path.stem] = np.asarray(turned)

    return write


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return an image as a viewer shows it that follows the EXIF orientation (Pillow's own method)."""
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(buffer, "PNG", exif=exif)
    return ImageOps.exif_transpose(Image.open(buffer))


def voc(source: Source) -> None:
    source.write(image="VOC2012/JPEGImages/{stem}.jpg", label="VOC2012/SegmentationClass/{stem}.png", encode=as_palette)
    source.save("VOC2012/JPEGImages/unlabeled.jpg", Image.fromarray(picture(99)))
    for split in ("train", "val", "test"):
        stems = [stem for name, stem in source.truth if name == split]
        put(f"VOC2012/ImageSets/Segmentation/{split}.txt", "\n".join(stems).encode())(source)


def linked_folders(source: Source) -> None:
    """Move images and labels out of the source, and link to them; one link leads to a folder around it."""
    away = source.root.parent / "away"
    (source.root / "away").rename(away)
    for split in ("train", "val", "test"):
        (source.root / split).mkdir()
        (source.root / split / "images").symlink_to(Path("../../away") / split)
        (source.root / split / "labels").symlink_to(Path("../../away/gt") / split)
    (source.root / "loop").symlink_to(".")


def linked_sequence(source: Source) -> None:
    for kind in ("images", "labels"):
        (source.root / "train" / kind / "seq").rename(source.root.parent / kind)
        (source.root / "train" / kind / "seq").symlink_to(Path("../../..") / kind)


def table_of_splits(source: Source) -> None:
    rows = [f"{stem},{split}\n" for split, stem in source.truth]
    put("split.csv", "".join(["image,split\n", *rows]).encode())(source)


def coco(source: Source) -> None:
    """Write boxes as polygons: `road` (id 7) above `background` and `car` (id 3) on top."""
    for split, count in {"train": 6, "val": 5}.items():
        images, annotations = [], []
        for number in range(count):
            name, labels = f"{split}_{number}", np.zeros(SIZE, np.uint8)
            source.save(f"{split}2017/{name}.jpg", Image.fromarray(picture(number + 50 * (split == "val"))))
            images.append({"id": number, "file_name": f"{name}.jpg", "height": SIZE[0], "width": SIZE[1]})
            for category, class_id, (top, left, height, width) in (
                (7, 2, (5, 5, 30, 40)),
                (3, 1, (10, 10, 9, 9 + number)),
            ):
                bottom, right = top + height - 1, left + width - 1
                labels[top : bottom + 1, left : right + 1] = class_id
                polygon = [left, top, right, top, right, bottom, left, bottom]
                annotations.append(
                    {
                        "id": len(annotations),
                        "image_id": number,
                        "category_id": category,
                        "segmentation": [polygon],
                        "area": height * width,
                        "iscrowd": 0,
                    }
                )
            source.truth[split, name] = labels
        categories = [{"id": 7, "name": "road"}, {"id": 3, "name": "car"}]
        document = {"images": images, "annotations": annotations, "categories": categories}
        source.save_json(f"annotations/instances_{split}2017.json", document)


def labelme(source: Source) -> None:
    for split, count in {"train": 6, "val": 5}.items():
        for number in range(count):
            name, labels = f"{split}_{number}", np.zeros(SIZE, np.uint8)
            source.save(f"{split}/{name}.jpg", Image.fromarray(picture(number + 50 * (split == "val"))))
            right = 30 + number
            labels[4:21, 8 : right + 1] = 1
            shape = {"label": "car", "shape_type": "polygon", "points": [[8, 4], [right, 4], [right, 20], [8, 20]]}
            document = {"shapes": [shape], "imagePath": f"{name}.jpg", "imageHeight": SIZE[0], "imageWidth": SIZE[1]}
            source.save_json(f"{split}/{name}.json", document)
            source.truth[split, name] = labels


LAYOUT_CASES = [
    Case("our own layout", frames()),
    Case("images and masks by split (Ultralytics)", frames(image="images/{split}/{stem}.jpg", label="masks/{split}/{stem}.png")),
    Case("img_dir and ann_dir (mmsegmentation)", frames(image="img_dir/{split}/{stem}.jpg", label="ann_dir/{split}/{stem}.png")),
    Case("train and trainannot (SegNet)", frames(image="{split}/{stem}.png", label="{split}annot/{stem}.png")),
    Case("train_images and train_labels", frames(image="{split}_images/{stem}.png", label="{split}_labels/{stem}.png")),
    Case("a_mask.png next to a.jpg (Roboflow)", frames(image="{split}/{stem}.jpg", label="{split}/{stem}_mask.png")),
    Case("labels with a suffix", frames(image="{split}/images/{stem}.jpg", label="{split}/masks/{stem}_gt.png")),
    Case("_sat.jpg and _mask.png (DeepGlobe)", frames(image="{split}/{stem}_sat.jpg", label="{split}/{stem}_mask.png")),
    Case("leftImg8bit and gtFine (Cityscapes)", frames(image="leftImg8bit/{split}/town/{stem}_leftImg8bit.png", label="gtFine/{split}/town/{stem}_gtFine_labelTrainIds.png")),
    Case("capitals and Validation", frames(image="Images/{split}/{stem}.JPG", label="Labels/{split}/{stem}.PNG", splits={"Training": 6, "Validation": 5})),
    Case("a folder valid", frames(splits={"train": 6, "valid": 5})),
    Case("labels outside of the splits", frames(image="images/{split}/{stem}.jpg", label="labels/{stem}.png")),
    Case("folders around the data", frames(image="my data/v2/{split}/images/{stem}.jpg", label="my data/v2/{split}/labels/{stem}.png")),
    Case("other folders, named", frames(image="fotos/{split}/{stem}.jpg", label="wahrheit/{split}/{stem}.png"), {"layout": {"images": "fotos", "labels": "wahrheit"}}),
    Case("an own suffix, named", frames(image="{split}/images/{stem}.jpg", label="{split}/labels/{stem}XY.png"), {"layout": {"label_suffix": "XY"}}),
    Case("flat, with splits to draw", frames(image="images/{stem}.jpg", label="labels/{stem}.png"), FLAT, notes="splits drawn with seed 1"),
    Case("flat, without splits", frames(image="images/{stem}.jpg", label="labels/{stem}.png"), refused=r"its 16 images are in no splits; draw them with split: \{val: 0.15"),
    Case("a folder without folders", frames(image="{stem}.jpg", label="{stem}_mask.png"), FLAT, notes="splits drawn"),
    Case("links to folders", then(linked_folders, image="away/{split}/{stem}.jpg", label="away/gt/{split}/{stem}.png")),
    Case("links within a folder of images", then(linked_sequence, image="{split}/images/seq/{stem}.png", label="{split}/labels/seq/{stem}.png")),
    Case("splits to draw that exist", frames(), FLAT, refused="the source has a split val already; remove split.val"),
    Case("flat, with a table of splits", then(table_of_splits, image="images/{stem}.jpg", label="labels/{stem}.png"), {"split": {"table": "split.csv"}}, notes="splits: those of"),
    Case("a table that lacks images", then(lambda s: put("split.csv", b"image,split\ntrain_000_of_kind,train\n")(s), image="images/{stem}.jpg", label="labels/{stem}.png"), {"split": {"table": "split.csv"}}, refused="split.csv and the source differ: it lacks test_000_of_kind.* 12 more; correct the table"),
    Case("only train and test", frames(splits={"train": 9, "test": 5}), {"split": {"val": 0.3, "by": "image"}}, notes="splits drawn"),
    Case("no val", frames(splits={"train": 9, "test": 5}), refused="it has the splits test, train; draw them with"),
    Case("Pascal VOC", voc, notes="layout: Pascal VOC"),
    Case("COCO", coco, {"classes": None}, notes="layout: COCO"),
    Case("labelme", labelme, {"classes": None}, notes="layout: labelme"),
    Case("COCO with other classes", coco, {"classes": ["background", "truck"]}, refused="the source has the class car, which is not in classes"),
    Case("COCO with merged classes", lambda s: (coco(s), [s.truth.update({k: np.minimum(v, 1)}) for k, v in s.truth.items()]), {"classes": None, "label_map": {"_background_": "ground", "car": "thing", "road": "thing"}}),
    Case("two kinds of labels per image", then(lambda s: s.write(label="{split}/labels/{stem}_color.png", encode=as_colors), label="{split}/labels/{stem}_ids.png"), refused=r"names that end in _color, _ids; choose one with layout: \{label_suffix"),
    Case("one kind of them chosen", then(lambda s: s.write(label="{split}/labels/{stem}_color.png", encode=as_colors), label="{split}/labels/{stem}_ids.png"), {"layout": {"label_suffix": "_ids"}}, notes="16 labels whose names end in _color are not read"),
    Case("no labels", frames(label=None), refused="found no labels for its images"),
    Case("no images", put("notes.txt", b"nothing"), refused="found no images"),
    Case("a picture outside of the folders", then(lambda s: s.save("preview.png", Image.fromarray(picture(9)))), notes="not read, .*preview.png"),
]  # fmt: skip

ENCODING_CASES = [
    Case("palette, index is the id", frames(encode=as_palette)),
    Case("palettes in another order per file", frames(encode=changing_palette()), refused=r"palette index 0 is .* so indices are no class ids; name the colors"),
    Case("the same by color", frames(encode=changing_palette()), BY_COLOR),
    Case("colors without a map", frames(encode=as_colors, ignored=False), refused=r'color pictures with 3 colors .*label_map: \{"#\w+": NAME'),
    Case("colors with a map", frames(encode=as_colors), BY_COLOR),
    Case("colors as three numbers", frames(encode=as_colors), {"label_map": {"0, 0, 0": "background", "128,64,128": "road", "[0, 0, 142]": "car"}, "ignore": ["255,255,255"], "classes": None}),
    Case("colors with a table", then(put("class_dict.csv", b"name,r,g,b\nbackground,0,0,0\nroad,128,64,128\ncar,0,0,142\n"), encode=as_colors), {"classes": None, "ignore": [WHITE]}, notes="label map: class_dict.csv"),
    Case("colors with CVAT's table", then(put("labelmap.txt", b"# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::\ncar:0,0,142::\n"), encode=as_colors), {"classes": None, "ignore": [WHITE]}),
    Case("ids with Roboflow's table", then(put("train/_classes.csv", b"Pixel Value, Class\n0, background\n1, road\n2, car\n"), image="{split}/{stem}.jpg", label="{split}/{stem}_mask.png"), {"classes": None}),
    Case("a broken table", then(put("class_dict.csv", b"name,r,g,b\nroad,1,2\n"), encode=as_colors), {"classes": None}, refused="class table .* has the line 'road,1,2'"),
    Case("a color that has no class", frames(encode=as_colors), {"label_map": COLOR_MAP, "classes": None}, refused=r'labels hold "#ffffff" \(0.6 %\), first in .*test_000.*add what is missing'),
    Case("smooth edges", frames(encode=smooth), BY_COLOR, refused="many rare colors come from smooth edges"),
    Case("RGBA", frames(encode=lambda labels: as_colors(labels, "RGBA")), BY_COLOR),
    Case("transparent pixels", frames(encode=with_alpha(0)), BY_COLOR | {"ignore": ["transparent"]}),
    Case("half-transparent pixels", frames(encode=with_alpha(100)), BY_COLOR, refused="has half-transparent pixels, whose class is unclear"),
    Case("gray with alpha", frames(encode=lambda labels: Image.fromarray(labels).convert("LA"))),
    Case("ids in RGB", frames(encode=as_rgb_ids)),
    Case("16 bits, small ids", frames(encode=gray(1, np.uint16))),
    Case("16 bits, large ids", frames(encode=gray(1000, np.uint16, 9)), refused="labels hold 1000 .*name what the values mean with label_map"),
    Case("16 bits, large ids with a map", frames(encode=gray(1000, np.uint16, 9)), {"label_map": {"0": "background", "1000": "road", "2000": "car"}, "ignore": [9], "classes": None}),
    Case("2 bits", frames(encode=few_bits(2), ignored=False)),
    Case("4 bits", frames(encode=few_bits(4), ignored=False)),
    Case("1 bit", frames(encode=lambda labels: Image.fromarray(labels == 1), classes=2, ignored=False), {"classes": CLASSES[:2]}),
    Case("floating-point TIFF", frames(label="{split}/labels/{stem}.tif", encode=gray(1, np.float32))),
    Case("fractions", frames(label="{split}/labels/{stem}.tif", encode=lambda labels: Image.fromarray(labels / np.float32(2))), refused="holds fractions or no numbers"),
    Case("TIFF", frames(label="{split}/labels/{stem}.TIFF")),
    Case("BMP", frames(label="{split}/labels/{stem}.bmp")),
    Case("lossless WebP", frames(label="{split}/labels/{stem}.webp", encode=as_rgb_ids, lossless=True)),
    Case("lossy WebP", frames(label="{split}/labels/{stem}.webp", encode=as_rgb_ids, lossless=False), refused="is a lossy WEBP file; its compression changes label values"),
    Case("JPEG", frames(label="{split}/labels/{stem}.jpg"), refused="is a lossy JPEG file; its compression changes label values"),
    Case("JPEG named PNG", then(lambda s: [p.rename(p.with_suffix(".png")) for p in s.root.rglob("labels/*.jpg")], label="{split}/labels/{stem}.jpg"), refused="is a lossy JPEG file"),
    Case("capital suffix", frames(label="{split}/labels/{stem}.PNG")),
    Case("masks of 0 and 255", frames(encode=binary(255), classes=2, ignored=False), {"classes": ["ground", "water"]}, refused=r"hold only 0 and 255, .*label_map: \{0: ground, 255: CLASS\}"),  # mmsegmentation#1609
    Case("masks of 0 and 255 with a map", frames(encode=binary(255), classes=2, ignored=False), {"label_map": {"0": "ground", "255": "water"}, "classes": None}),
    Case("masks of 0 and 255 in RGB", frames(encode=lambda labels: binary(255)(labels).convert("RGB"), classes=2, ignored=False), {"label_map": {"#000000": "ground", "#ffffff": "water"}, "classes": None}),
    Case("masks of 0 and 128", frames(encode=binary(128), classes=2, ignored=False), {"classes": ["ground", "water"]}, refused=r"labels hold 128 .*label_map: \{VALUE: CLASS"),
    Case("masks of 0 alone", frames(classes=1, ignored=False), {"classes": ["ground", "water"]}, refused="every labeled pixel is of the class ground"),
    Case("everything ignored", frames(encode=lambda labels: Image.fromarray(np.full_like(labels, 255))), refused="every pixel of every label is ignored"),
    Case("ids with a map of themselves", frames(), {"label_map": {"0": "background", "1": "road", "2": "car"}, "classes": None}),
    Case("ids in our own layout with a table of names", then(put("classes.txt", b"background\nroad\ncar\n")), {"classes": None}),
    Case("ids in our own layout with a table of values", then(put("_classes.csv", b"Pixel Value, Class\n0, background\n1, road\n2, car\n")), {"classes": None}),
    Case("ids in our own layout with a table around it", then(put("classes.csv", b"name,r,g,b\nbackground,0,0,0\nroad,1,1,1\ncar,2,2,2\n"), image="inner/{split}/images/{stem}.png", label="inner/{split}/labels/{stem}.png"), {"classes": None}),
    Case("merged classes", then(lambda s: s.truth.update({k: np.where(v == 255, 255, np.minimum(v, 1)).astype(np.uint8) for k, v in s.truth.items()})), {"label_map": {"0": "ground", "1": "thing", "2": "thing"}, "classes": None}),
    Case("reduce_zero_label", frames(), {"options": {"reduce_zero_label": True}}, refused=r"reduce_zero_label is no option, .*ignore: \[0\] and label_map"),
    Case("0 is ignored, classes from 1", then(lambda s: s.truth.update({k: np.where(v == 0, 255, np.where(v == 255, 255, v - 1)).astype(np.uint8) for k, v in s.truth.items()})), {"label_map": {"1": "road", "2": "car"}, "ignore": [0, 255], "classes": None}),
    Case("0 is ignored, without a map", frames(), {"ignore": [0, 255]}, refused="ignore has 0, which is the class background"),
    Case("a class named ignore", frames(), {"label_map": {"0": "ignore", "1": "road", "2": "car"}, "classes": None}, refused=r"list it as ignore: \[0\]"),
]  # fmt: skip

FILE_CASES = [
    Case("an empty label", then(put("train/labels/train_000_of_kind.png", b"")), refused=r"train_000_of_kind.png is empty \(0 bytes\)"),
    Case("an empty image", then(put("train/images/train_000_of_kind.png", b"")), refused=r"train_000_of_kind.png is empty \(0 bytes\)"),
    Case("a Git LFS pointer", then(put("val/images/val_001_of_kind.png", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n")), refused="is not a .* file but a Git LFS pointer: run git lfs pull"),
    Case("a web page", then(put("val/images/val_001_of_kind.png", b"<!doctype html><html>")), refused="but a web page: download the file again"),
    Case("HEIC among the images", then(put("train/images/x.heic", b"....ftypheic")), refused="formats of files .* that are not read: train/images/x.heic; convert them"),
    Case("HEIC named JPEG", then(put("train/images/train_000_of_kind.png", b"\0\0\0\x18ftypheic\0\0\0\0")), refused="but a HEIC file; convert or replace it"),
    Case("a video elsewhere", then(put("drive.mp4", b"..")), notes="not read: drive.mp4"),
    Case("BMP images", frames(image="{split}/images/{stem}.bmp")),
    Case("TIFF images", frames(image="{split}/images/{stem}.tif")),
    Case("WebP images", frames(image="{split}/images/{stem}.webp")),
    Case("16-bit images", then(lambda s: Image.fromarray(np.full(SIZE, 4000, np.uint16)).save(s.root / "val/images/val_000_of_kind.png")), refused="val_000_of_kind.png has 16 bits per channel, and networks read 8"),
    Case("a missing label", then(remove("train/labels/train_000_of_kind.png")), refused="1 of 16 images in .* without a label: train/images/train_000_of_kind.png"),
    Case("a missing image", then(remove("train/images/train_000_of_kind.png")), refused="1 of 16 labels in .* without an image: train/labels/train_000_of_kind.png"),
    Case("two images of one label", then(lambda s: s.save("train/images/train_000_of_kind.jpg", Image.fromarray(picture(1)))), refused="would share one label; remove one"),
    Case("a label of another size", then(lambda s: s.save("val/labels/val_000_of_kind.png", Image.fromarray(ids(1, (20, 32))))), refused="is 40x64 but its label .* is 20x32; both must have the same size"),
    Case("tiny images", frames(size=(5, 8))),
    Case("images of several sizes", then(lambda s: s.write(splits={"train": 2}, stem="other_{number}", size=(64, 48)))),
    Case("one image for training", frames(splits={"train": 1, "val": 5})),
    Case("a single class", frames(), {"classes": ["road"]}, refused="labels hold 1 .*expected classes 0 to 0"),
    Case("150 classes, 40 of which occur", frames(classes=40), {"classes": [f"c{number}" for number in range(150)]}, warns="110 classes have no pixel in train"),
    Case("EXIF, labels upright", turn(6), notes="16 images are turned by their EXIF orientation, as their labels are"),
    Case("EXIF, labels on raw pixels", turn(6, raw=True), notes="16 labels were drawn before the image was turned"),
    Case("EXIF 8, labels on raw pixels", turn(8, raw=True)),
    Case("EXIF 5, labels on raw pixels", turn(5, raw=True)),
    Case("EXIF 7, labels on raw pixels", turn(7, raw=True)),
    Case("EXIF by 180 degrees", turn(3), refused="turned by 180° by its EXIF orientation 3, .*set orientation: raw or orientation: upright"),  # detectron2#262
    Case("EXIF by 180 degrees, upright", turn(3), {"orientation": "upright"}),
    Case("EXIF by 180 degrees, raw", turn(3, raw=True), {"orientation": "raw"}),
    Case("EXIF, square", turn(6, (48, 48)), refused="orientation 6, .*set orientation"),  # darwin-py#924
    Case("EXIF, square, raw", turn(6, (48, 48), raw=True), {"orientation": "raw"}),
    Case("EXIF, mirrored, raw", turn(2, raw=True), {"orientation": "raw"}),
    Case("EXIF, mirrored upside down, raw", turn(4, raw=True), {"orientation": "raw"}),
]  # fmt: skip

DOUBTFUL_CASES = [
    Case("a class without a pixel in train", then(relabel("train", lambda v: np.where(v == 2, 1, v).astype(np.uint8))), warns=r"1 class has no pixel in train \(car\): no network can learn it"),  # mmsegmentation#964
    Case("a class without a pixel in val", then(relabel("val", lambda v: np.where(v == 2, 1, v).astype(np.uint8))), warns=r"1 class has no pixel in val \(car\): mIoU on val does not measure it"),  # mmsegmentation#1676
    Case("a class without a pixel in test", then(relabel("test", lambda v: np.where(v == 2, 1, v).astype(np.uint8))), warns=r"no pixel in test \(car\)"),  # mmsegmentation#2146
    Case("a class that never occurs", frames(), {"classes": [*CLASSES, "tram"]}, warns=r"1 class has no pixel in train \(tram\)"),  # mmsegmentation#2245
    Case("everything ignored in val", then(relabel("val", lambda v: np.full_like(v, 255))), refused="every pixel of every label in val is ignored"),
    Case("one class in train", then(relabel("train", lambda v: np.where(v == 255, 255, 1).astype(np.uint8))), refused="every labeled pixel in train is of the class road"),
    Case("the same image in two splits", then(lambda s: s.save("val/images/val_000_of_kind.png", Image.fromarray(picture(1)))), warns="1 image is in both train and val, such as train_000_of_kind.png"),
    Case("an image again, recompressed", then(lambda s: (s.save("val/images/val_000_of_kind.jpg", Image.fromarray(picture(1)), quality=60), (s.root / "val/images/val_000_of_kind.png").unlink())), warns="train and val show the same picture: .*train_000_of_kind"),
    Case("one image in val", frames(splits={"train": 6, "val": 1}), warns="val has 1 image only: accuracy there is a matter of chance"),
]  # fmt: skip

ALL_CASES = [*LAYOUT_CASES, *ENCODING_CASES, *FILE_CASES, *DOUBTFUL_CASES]


def loaded(settings: dict, manifest: dict) -> dict[tuple[str, str], np.ndarray]:
    """Load the labels of all splits as training does, by split and stem."""
    configs = split_configs(settings, Path(manifest["root"]))
    labels = {}
    for split, config in configs.items():
        dataset = DATASETS.build({**config, "pipeline": []}) if config else []
        for index in range(len(dataset)):
            item = dataset[index]
            labels[split, Path(item["img_path"]).stem] = LoadAnnotations().transform(item)["gt_seg_map"]
    return labels


@pytest.mark.parametrize("case", ALL_CASES, ids=[case.name for case in ALL_CASES])
def test_a_strangers_data_are_read_or_refused_with_their_cause(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = Source(Path("data"))
    case.write(source)
    before = {path: path.read_bytes() for path in sorted(source.root.rglob("*")) if path.is_file()}
    entry = {"name": "mine", "type": "folder", "source": str(source.root), "size": [32, 64], "classes": CLASSES}
    settings = {**entry, "train_split": "train", "options": {}, **case.settings}
    if "table" in settings.get("split", {}):
        settings["split"] = {"table": str(source.root / "split.csv")}
    if case.refused:
        with pytest.raises(UserError, match=case.refused) as caught:
            prepare(settings, tmp_path / "out")
        assert "\n" not in str(caught.value)
        assert not (tmp_path / "out" / "dataset.json").exists()
    else:
        prepare(settings, tmp_path / "out")
        manifest = read_manifest(tmp_path / "out" / "dataset.json")
        labels = loaded(settings, manifest)
        truth = {stem: values for (_, stem), values in source.truth.items()}
        assert {stem for _, stem in labels} == truth.keys()
        if "table" in settings.get("split", {}):
            assert labels.keys() == source.truth.keys()
        for (_, stem), values in labels.items():
            np.testing.assert_array_equal(values, truth[stem], err_msg=stem)
        for kind, pattern in (("warnings", case.warns), ("notes", case.notes)):
            assert pattern is None or any(re.search(pattern, line) for line in manifest[kind]), manifest[kind]
        if case.warns is None:
            assert not [line for line in manifest["warnings"] if "matter of chance" not in line]
        assert sum("both" in line or "same picture" in line for line in manifest["warnings"]) <= 1, "named once"
    after = {path: path.read_bytes() for path in sorted(source.root.rglob("*")) if path.is_file()}
    assert after == before, "the source was changed"


def test_the_table_is_large():
    assert len(ALL_CASES) >= 60
    assert len({case.name for case in ALL_CASES}) == len(ALL_CASES)


def test_colors_of_the_map_are_those_of_the_pictures(tmp_path):
    Source(tmp_path / "data").write(encode=as_colors)
    settings = {"name": "mine", "type": "folder", "source": str(tmp_path / "data"), "size": [32, 64], "options": {}}
    prepare({**settings, **BY_COLOR}, tmp_path / "out")
    assert read_manifest(tmp_path / "out" / "dataset.json")["palette"] == [list(color) for color in COLORS]
