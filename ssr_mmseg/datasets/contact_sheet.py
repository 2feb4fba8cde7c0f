"""Contact sheet of a dataset: images next to the same images under their labels, and the classes' colors."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ssr_mmseg.datasets.importing.label_map import IGNORED

PANEL = (240, 320)  # height and width that a picture is fitted into
LINE, MARGIN = 22, 8  # pixels
OPACITY = 0.6  # of the labels' colors
PAPER, INK = "#ffffff", "#1c1c1a"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Sample:
    """An image with its label.

    Attributes:
        title: Line above it.
        photo: The image, upright.
        ids: Class ids, (H, W), uint8; 255 for ignored.
    """

    title: str
    photo: Image.Image
    ids: np.ndarray


def overlay(sample: Sample, palette: Sequence[Sequence[int]]) -> tuple[Image.Image, Image.Image]:
    """Return the image, and the image under its label's colors except for ignored pixels, scaled to fit `PANEL`."""
    photo = sample.photo.convert("RGB")
    scale = min(PANEL[0] / photo.height, PANEL[1] / photo.width)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    colors = np.zeros((256, 3), dtype=np.uint8)
    colors[: len(palette)] = palette
    ids = np.asarray(Image.fromarray(sample.ids).resize(size, Image.Resampling.NEAREST))  # (H, W)
    small = photo.resize(size, Image.Resampling.BILINEAR)
    mask = Image.fromarray(np.where(ids == IGNORED, 0, round(255 * OPACITY)).astype(np.uint8))
    return small, Image.composite(Image.fromarray(colors[ids]), small, mask)


def contact_sheet(
    samples: Iterable[Sample], classes: Sequence[str], palette: Sequence[Sequence[int]], columns: int = 2
) -> Image.Image:
    """Draw samples in `columns`, each as image and overlay, above a legend of the classes."""
    font = ImageFont.load_default(13)
    cells = [(sample.title, *overlay(sample, palette)) for sample in samples]
    width = columns * (2 * PANEL[1] + 3 * MARGIN)
    rows = -(-len(cells) // columns)
    legend = _legend_lines(classes, font, width)
    height = rows * (PANEL[0] + LINE + MARGIN) + len(legend) * LINE + 2 * MARGIN
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (title, photo, colored) in enumerate(cells):
        x = number % columns * (2 * PANEL[1] + 3 * MARGIN) + MARGIN
        y = number // columns * (PANEL[0] + LINE + MARGIN)
        draw.text((x, y + 4), _fitted(title, font, 2 * PANEL[1]), fill=INK, font=font)
        sheet.paste(photo, (x, y + LINE))
        sheet.paste(colored, (x + PANEL[1] + MARGIN, y + LINE))
    y = rows * (PANEL[0] + LINE + MARGIN) + MARGIN
    for line in legend:
        for x, number in line:
            draw.rectangle((x, y + 4, x + 12, y + 16), fill=tuple(palette[number]), outline=INK)
            draw.text((x + 18, y + 2), classes[number], fill=INK, font=font)
        y += LINE
    return sheet


def spread(count: int, wanted: int) -> list[int]:
    """Return at most `wanted` positions, evenly spaced over `count`, both ends included."""
    return sorted(set(np.linspace(0, count - 1, min(count, wanted)).round().astype(int).tolist()))


def _legend_lines(classes: Sequence[str], font: Font, width: int) -> list[list[tuple[int, int]]]:
    """Arrange the classes' names in lines: (x, number of the class) of each."""
    lines: list[list[tuple[int, int]]] = [[]]
    x = MARGIN
    for number, name in enumerate(classes):
        needed = 18 + round(font.getlength(name)) + 2 * MARGIN
        if lines[-1] and x + needed > width:
            lines.append([])
            x = MARGIN
        lines[-1].append((x, number))
        x += needed
    return lines


def _fitted(text: str, font: Font, width: int) -> str:
    """Shorten a text at its beginning until it is at most `width` pixels wide."""
    short = text
    while font.getlength(short) > width and len(short) > 2:
        short = "…" + short[2:]
    return short
