"""The data of one dataset on the page: counts by class and split, notes of the preparation, and a contact sheet."""

import base64
from pathlib import Path
from typing import Any

from PIL import Image

from ssr_mmseg.settings import paths

MAX_BYTES = 4 * 2**20  # of a contact sheet; those of `prepare` have a tenth of it
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def data_section(config: dict, name: str, manifest: dict | None) -> dict[str, Any] | None:
    """Return the template's data about a prepared dataset; None if it is not prepared."""
    if manifest is None or not manifest["counts"]:
        return None
    counts: dict[str, dict] = manifest["counts"]
    rows = []
    for number, class_name in enumerate(manifest["classes"]):
        cells = []
        for split in counts.values():
            total = sum(split["pixels"])
            cells.append((100 * split["pixels"][number] / total if total else 0.0, split["class_images"][number]))
        rows.append((class_name, cells))
    return {
        "splits": {split: {**count, "ignored_share": _ignored_share(count)} for split, count in counts.items()},
        "rows": rows,
        "notes": manifest["notes"],
        "sheet": _sheet(paths.result_path(config, paths.SAMPLES, dataset=name)),
    }


def _ignored_share(split: dict) -> float:
    total = split["ignored"] + sum(split["pixels"])
    return 100 * split["ignored"] / total if total else 0.0


def _sheet(path: Path) -> str | None:
    """Return the contact sheet as a data URI; None without a readable one."""
    try:
        with Image.open(path, formats=("JPEG",)) as opened:
            opened.load()
        data = path.read_bytes()
    except UNREADABLE:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(data).decode() if len(data) <= MAX_BYTES else None
