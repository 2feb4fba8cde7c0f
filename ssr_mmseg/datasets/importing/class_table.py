"""Tables of classes with their colors or values, in the forms in which data sets bring them."""

import csv
import io
import re
from pathlib import Path

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes, write_text

NAME = "classes.csv"  # the project's own: name, red, green and blue of class 0, 1, …
KNOWN = (NAME, "class_dict.csv", "classes_dict.csv", "labelmap.txt", "label_colors.txt", "_classes.csv", "classes.txt")
MAX_TABLE_BYTES = 2**20
COLUMNS = {  # accepted headers, in lower case
    "name": ("name", "class", "class_name", "label", "class name"),
    "red": ("r", "red"),
    "green": ("g", "green"),
    "blue": ("b", "blue"),
    "value": ("value", "pixel value", "id", "pixel_value", "index"),
}

Row = tuple[str, str | None]  # a class name and its key in a label map: a value, a color, or None for the row's number


def find_table(folder: Path) -> Path | None:
    """Return the class table in a source, in it or in the folder of its train split; None without one."""
    for place in (folder, folder / "train"):
        for name in KNOWN:
            if (place / name).is_file():
                return place / name
    return None


def read_table(path: Path) -> list[Row]:
    """Read a table of classes.

    The forms are CSV with a header that names the columns `name` and `r`, `g`, `b`, or `Pixel Value` and `Class`
    (Roboflow); lines such as `road:128,64,128::` (CVAT) or `128 64 128 road` (CamVid); and one name per line.

    Raises:
        UserError: The file is unreadable or of none of these forms, or names a class twice.
    """
    try:
        text = read_bytes(path, MAX_TABLE_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"could not read the class table {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"the class table {path} is not UTF-8 text; save it as such") from error
    if path.suffix == ".csv":
        rows = _csv_rows(text, path)
    else:
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        rows = [_line_row(line, path) for line in lines]
    if not rows:
        raise UserError(f"the class table {path} is empty; expected a class in each line")
    keys = [key for _, key in rows if key is not None]
    if len(set(keys)) < len(keys):
        raise UserError(
            f"the class table {path} has {next(key for key in keys if keys.count(key) > 1)} twice; correct it"
        )
    return rows


def write_table(path: Path, classes: list[str], palette: list[list[int]]) -> None:
    """Write the project's own table, atomically."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(["name", "red", "green", "blue"])
    writer.writerows([name, *color] for name, color in zip(classes, palette, strict=True))
    write_text(path, lines.getvalue())


def channels(key: str | None) -> list[int] | None:
    """Return red, green and blue of the key of a row; None if it is no color."""
    if key is None or not key.startswith("#"):
        return None
    return [int(key[at : at + 2], 16) for at in (1, 3, 5)]


def _csv_rows(text: str, path: Path) -> list[Row]:
    try:
        table = [cells for cells in csv.reader(io.StringIO(text, newline=""), skipinitialspace=True) if any(cells)]
    except csv.Error as error:
        raise UserError(f"the class table {path} is not valid CSV ({error}); repair it") from error
    if not table:
        return []
    header = [cell.strip().lower() for cell in table[0]] if table else []
    at = {key: next((header.index(name) for name in names if name in header), None) for key, names in COLUMNS.items()}
    if at["name"] is None:
        raise UserError(
            f"the class table {path} has the columns {', '.join(header)}; expected name, r, g and b, or value and class"
        )
    rows: list[Row] = []
    for cells in table[1:]:
        try:
            name = cells[at["name"]].strip()
            if None not in (at["red"], at["green"], at["blue"]):
                key: str | None = _color(*(cells[at[c]] for c in ("red", "green", "blue")))  # type: ignore[index]
            else:
                key = None if at["value"] is None else str(int(cells[at["value"]]))
        except (IndexError, ValueError) as error:
            raise UserError(
                f"the class table {path} has the line {','.join(cells)!r}; expected one cell per column, and colors "
                "of three numbers from 0 to 255"
            ) from error
        rows.append((name, key))
    return rows


def _line_row(line: str, path: Path) -> Row:
    try:
        if match := re.fullmatch(r"([^:]+):(\d+),(\d+),(\d+)(:.*)?", line):
            return match[1].strip(), _color(match[2], match[3], match[4])
        if match := re.fullmatch(r"(\d+)[ \t,]+(\d+)[ \t,]+(\d+)[ \t,]+(\S.*)", line):
            return match[4].strip(), _color(match[1], match[2], match[3])
    except ValueError as error:
        raise UserError(
            f"the class table {path} has the line {line!r}; expected colors of numbers from 0 to 255"
        ) from error
    if re.match(r"\d", line):
        raise UserError(
            f"the class table {path} has the line {line!r}; expected a class name, or a name with its color"
        )
    return line, None


def _color(red: str, green: str, blue: str) -> str:
    channels = [int(channel) for channel in (red, green, blue)]
    if not all(0 <= channel <= 255 for channel in channels):
        raise ValueError(channels)
    return "#" + "".join(f"{channel:02x}" for channel in channels)
