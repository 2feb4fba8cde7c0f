"""Labeled images as strangers bring them: a small dataset written in any layout and label encoding."""

import json
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 64)  # height and width
CLASSES = ["background", "road", "car"]
COLORS = [(0, 0, 0), (128, 64, 128), (0, 0, 142)]
SPLITS = {"train": 6, "val": 5, "test": 5}


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a smooth random picture (H, W, 3), unlike that of any other seed."""
    generator = np.random.default_rng(seed)
    coarse = Image.fromarray(generator.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    return np.asarray(coarse.resize(size[::-1], Image.Resampling.BICUBIC))


def ids(seed: int, size: tuple[int, int] = SIZE, classes: int = 3, ignored: bool = True) -> np.ndarray:
    """Return class ids (H, W) of every class, in blocks; with a few ignored pixels (255)."""
    generator = np.random.default_rng((seed, 7))
    blocks = generator.integers(0, classes, (5, 8))
    blocks.flat[:classes] = range(classes)
    labels = np.kron(blocks, np.ones((-(-size[0] // 5), -(-size[1] // 8))))[: size[0], : size[1]].astype(np.uint8)
    if ignored:
        labels[-3:, -5:] = 255
    return labels


def as_ids(labels: np.ndarray) -> Image.Image:
    return Image.fromarray(labels)


def as_colors(labels: np.ndarray, mode: str = "RGB") -> Image.Image:
    """Return the labels as colors; ignored pixels are white."""
    table = np.full((256, 3), 255, dtype=np.uint8)
    table[: len(COLORS)] = COLORS
    return Image.fromarray(table[labels]).convert(mode)


def as_palette(labels: np.ndarray, order: Sequence[int] = (0, 1, 2)) -> Image.Image:
    """Return the labels as a palette picture, in which class `order[i]` has index i."""
    indices = np.full(256, 255, dtype=np.uint8)
    palette = [255] * 768
    for index, number in enumerate(order):
        indices[number] = index
        palette[3 * index : 3 * index + 3] = COLORS[number]
    image = Image.fromarray(indices[labels])
    image.putpalette(palette)
    return image


def gray_png(values: np.ndarray, bits: int) -> bytes:
    """Return values (H, W) as a grayscale PNG file of 1, 2, 4, 8 or 16 bits, by the PNG specification."""
    height, width = values.shape
    planes = (values[..., None].astype(np.int64) >> np.arange(bits - 1, -1, -1)) & 1  # (H, W, bits)
    rows = np.packbits(planes.reshape(height, width * bits).astype(np.uint8), axis=1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)  # each row begins with its filter: none

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@dataclass
class Source:
    """A dataset on disk, written frame by frame.

    Attributes:
        root: Its folder.
        truth: Class ids by split and stem, as an import must give them.
    """

    root: Path
    truth: dict[tuple[str | None, str], np.ndarray] = field(default_factory=dict)

    def write(
        self,
        image: str = "{split}/images/{stem}.png",
        label: str | None = "{split}/labels/{stem}.png",
        encode: Callable[[np.ndarray], Image.Image | bytes] = as_ids,
        splits: Mapping[str, int] = SPLITS,
        stem: str = "{split}_{number:03d}_of_kind",
        size: tuple[int, int] = SIZE,
        classes: int = 3,
        ignored: bool = True,
        **save,
    ) -> "Source":
        """Write all frames; names are patterns of `split`, `stem` and `number`."""
        seed = 0
        for split, count in splits.items():
            for number in range(count):
                seed += 1
                names = {"split": split, "number": number, "seed": seed}
                names["stem"] = stem.format(**names)
                labels = ids(seed, size, classes, ignored)
                self.save(image.format(**names), Image.fromarray(picture(seed, size)))
                if label is not None:
                    self.save(label.format(**names), encode(labels), **save)
                self.truth[split, names["stem"]] = labels
        return self

    def save(self, name: str, image: Image.Image | bytes, **options) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(image, bytes):
            path.write_bytes(image)
        else:
            image.save(path, **options)
        return path

    def save_json(self, name: str, value: object) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
        return path
