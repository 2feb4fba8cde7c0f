"""Prediction images: scaled copies for the page, and contact sheets."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from ssr_mmseg.report.collect import Dataset
from ssr_mmseg.report.style import ROLES
from ssr_mmseg.utils.files import atomic_path

PANEL = 640  # pixels; pictures wider than this are scaled down
FRAMES = 3  # per dataset on the page
MAX_PIXELS = 192_000_000  # three panels of the largest image a dataset may contain
LINE, MARGIN = 34, 12  # of the contact sheet, in pixels
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


@dataclass(frozen=True)
class Picture:
    """Photograph, prediction and ground truth of one frame side by side, as a data URI."""

    network: str
    uri: str
    width: int  # of one of the three panels, in pixels
    height: int


def load(path: Path) -> Image.Image:
    """Load a picture of three panels, scaled down so that no panel is wider than `PANEL`.

    Raises:
        OSError, ValueError or SyntaxError: The file does not exist or Pillow cannot read it.
    """
    with Image.open(path, formats=("PNG",)) as opened:
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(f"{path} has more than {MAX_PIXELS} pixels")
        picture = opened.convert("RGB")
    width = picture.width // 3
    if width < 1:
        raise ValueError(f"{path} is narrower than three panels")
    if width > PANEL:
        height = max(1, round(picture.height * PANEL / width))
        picture = picture.resize((3 * PANEL, height), Image.Resampling.BILINEAR)
    return picture.crop((0, 0, picture.width // 3 * 3, picture.height))


def inline(picture: Image.Image) -> str:
    """Encode a picture as a data URI."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def shown_frames(dataset: Dataset, limit: int = FRAMES) -> list[str]:
    """Return the names of at most `limit` frames, evenly spaced over the drawn frames of the dataset's shown split."""
    names = sorted({path.stem for network in dataset.networks for path in network.frames})
    names = [name for name in names if name.startswith(f"{dataset.split}_")] or names
    if len(names) <= limit:
        return names
    return [names[round(index * (len(names) - 1) / (limit - 1))] for index in range(limit)]


def pictures(dataset: Dataset) -> list[dict]:
    """Return the frames to show, each with the pictures of all networks of the first seed that have it."""
    first = min((network.seed for network in dataset.networks), default=0)
    frames = []
    for name in shown_frames(dataset):
        shown = []
        for network in dataset.networks:
            paths = [path for path in network.frames if path.stem == name and network.seed == first]
            for path in paths:
                try:
                    picture = load(path)
                except UNREADABLE:
                    continue
                shown.append(Picture(network.label, inline(picture), picture.width // 3, picture.height))
        if shown:
            frames.append({"name": name, "pictures": shown})
    return frames


def contact_sheet(datasets: Sequence[Dataset]) -> Image.Image:
    """Draw the shown frames of all networks below each other, with labels; note datasets without predictions."""
    rows: list[tuple[str, Image.Image | None]] = []
    for dataset in datasets:
        before = len(rows)
        for name in shown_frames(dataset):
            for network in dataset.networks:
                for path in network.frames:
                    if path.stem == name:
                        rows.append(_row(f"{dataset.name} · {network.label} · {name}", path))
        if len(rows) == before:
            rows.append((f"{dataset.name}: no predictions yet", None))
    width = max(picture.width if picture else 360 for _, picture in rows)
    height = sum(LINE + (picture.height if picture else 0) for _, picture in rows)
    sheet = Image.new("RGB", (width + 2 * MARGIN, height + MARGIN), ROLES["paper"])
    draw, font, y = ImageDraw.Draw(sheet), ImageFont.load_default(15), 0
    for label, picture in rows:
        draw.text((MARGIN, y + 10), label, fill=ROLES["ink"], font=font)
        y += LINE
        if picture:
            sheet.paste(picture, (MARGIN, y))
            y += picture.height
    return sheet


def _row(label: str, path: Path) -> tuple[str, Image.Image | None]:
    try:
        return f"{label} · photograph, prediction, ground truth", load(path)
    except UNREADABLE:
        return f"{label} · unreadable", None


def write_sheet(datasets: Sequence[Dataset], path: Path) -> None:
    """Write the contact sheet as PNG."""
    with atomic_path(path) as temporary:
        contact_sheet(datasets).save(temporary, "PNG")
