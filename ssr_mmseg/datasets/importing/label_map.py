"""Map from the values, colors or names in labels to class ids."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ssr_mmseg.datasets.importing.raw_label import GRAY, TRANSPARENT, Kind, RawLabel
from ssr_mmseg.utils.errors import UserError

IGNORED = 255  # id of pixels that training and evaluation ignore

TRANSPARENT_KEY = "transparent"

Code = int | str  # a value or a color, or the name of a class in the source


@dataclass(frozen=True)
class LabelMap:
    """Map from the codes of labels to class ids.

    Attributes:
        classes: Class names, in the order of their ids.
        values: Id of each gray value or palette index.
        colors: Id of each color, 0xRRGGBB.
        names: Id of each class name of the source, such as a COCO category.
        kinds: What the map names classes by; what it only ignores does not count.
    """

    classes: tuple[str, ...]
    values: Mapping[int, int] = field(default_factory=dict)
    colors: Mapping[int, int] = field(default_factory=dict)
    names: Mapping[str, int] = field(default_factory=dict)
    kinds: frozenset[Kind] = frozenset({"value"})

    @property
    def palette(self) -> list[list[int]] | None:
        """Color of each class, [red, green, blue], if the map names one for all of them."""
        first = {number: color for color, number in reversed(list(self.colors.items())) if color != TRANSPARENT}
        if any(number not in first for number in range(len(self.classes))):
            return None
        return [[first[number] >> shift & 255 for shift in (16, 8, 0)] for number in range(len(self.classes))]

    def ids(self, kind: Kind) -> Mapping[Code, int]:
        """Return the id of each code of a kind."""
        return {"value": self.values, "color": self.colors, "name": self.names}[kind]  # type: ignore[return-value]

    def view(self, raw: RawLabel, path: Path) -> RawLabel:
        """Return a label by the kind of code that this map has: its colors if the map has only colors, and so on.

        Raises:
            UserError: The label has colors, and the map has none.
        """
        return view(raw, path, self.kinds)

    def class_pixels(self, codes: RawLabel, counts: np.ndarray, path: Path) -> np.ndarray:
        """Return the pixels of each class, (classes,), given distinct codes (n,) of a label and their counts (n,)."""
        shown = self.view(codes, path)
        ids = self.ids(shown.kind)
        pixels = np.zeros(len(self.classes), dtype=np.int64)
        for code, count in zip(codes_of(shown, shown.codes), counts.tolist(), strict=True):
            if ids[code] != IGNORED:
                pixels[ids[code]] += count
        return pixels

    def apply(self, raw: RawLabel, path: Path) -> np.ndarray:
        """Return the class ids of a label, (H, W), uint8; ignored pixels are 255.

        Raises:
            UserError: The label has a code that is not in the map.
        """
        shown = self.view(raw, path)
        ids = self.ids(shown.kind)
        import pandas as pd  # here, because every training imports this module

        inverse, unique = pd.factorize(shown.codes.ravel())
        codes = codes_of(shown, unique)
        unknown = [code for code in codes if code not in ids]
        if unknown:
            listed = ", ".join(code_text(code, shown.kind) for code in unknown[:5])
            raise UserError(f"label {path} has {listed}, which has no class; add it to label_map or to ignore")
        table = np.array([ids[code] for code in codes], dtype=np.uint8)
        return table[inverse].reshape(shown.codes.shape)


def view(raw: RawLabel, path: Path, kinds: frozenset[Kind]) -> RawLabel:
    """Return a label as values or as colors, whichever `kinds` has.

    Values have colors through the file's palette, or as grays. A color label whose pixels are all gray has values.

    Raises:
        UserError: Values are wanted, and the label has colors.
    """
    if raw.kind == "value" and "color" in kinds and "value" not in kinds:
        palette = np.array(raw.palette or [value * GRAY for value in range(256)], dtype=np.int32)
        if raw.codes.max() >= len(palette):
            value = raw.codes.max()
            raise UserError(f"label {path} holds the value {value}, expected colors; name values in label_map")
        codes = np.where(raw.codes == TRANSPARENT, TRANSPARENT, palette[np.maximum(raw.codes, 0)])
        return RawLabel("color", codes.astype(np.int32))
    if raw.kind == "color" and "color" not in kinds:
        gray = raw.codes & 255
        if ((raw.codes != TRANSPARENT) & (raw.codes != gray * GRAY)).any():
            raise UserError(f"label {path} has colors, expected gray values; name the colors in label_map")
        return RawLabel("value", np.where(raw.codes == TRANSPARENT, TRANSPARENT, gray).astype(np.int32))
    return raw


def codes_of(raw: RawLabel, unique: Sequence[int] | np.ndarray) -> list[Code]:
    """Return distinct codes of a label as keys of a map: names of the source for the kind `name`."""
    return [raw.names[code] if raw.kind == "name" else int(code) for code in unique]


def parse_map(
    entries: Mapping[str, str | int], ignore: Collection[int | str], classes: Sequence[str] | None, origin: str
) -> LabelMap:
    """Return the map that a configuration describes.

    Args:
        entries: Class name, or number of a class, by key: a value, a color `#rrggbb`, `transparent` or a source's name.
        ignore: Keys of pixels to ignore.
        classes: Class names in the order of their ids; by default in the order in which `entries` names them.
        origin: Where the map comes from, for messages.

    Raises:
        UserError: A key occurs twice or is malformed, or a class does not fit `classes`.
    """
    if "ignore" in entries.values():
        first = next(key for key, name in entries.items() if name == "ignore")
        raise UserError(f"{origin}: label_map makes {first} a class named ignore; list it as ignore: [{first}] instead")
    if classes is None:
        numbers = [number for number in entries.values() if not isinstance(number, str)]
        if numbers:
            raise UserError(f"{origin}: label_map has the class {numbers[0]}, expected names; or list classes as well")
        classes = list(dict.fromkeys(map(str, entries.values())))
    tables: dict[str, dict] = {"value": {}, "color": {}, "name": {}}
    keys: list[tuple[int | str, str | int | None]] = [*entries.items(), *((key, None) for key in ignore)]
    for key, target in keys:
        number = IGNORED if target is None else _class_id(target, classes, origin)
        for kind, code in parse_key(key, origin):
            before = tables[kind].setdefault(code, number)
            if before != number:
                what = "ignored and a class" if IGNORED in (before, number) else "two classes"
                raise UserError(f"{origin}: {key!r} is {what}; name it once in label_map and ignore")
    used = {number for table in tables.values() for number in table.values()}
    unused = [name for number, name in enumerate(classes) if number not in used]
    if entries and unused:
        raise UserError(f"{origin}: label_map has no key of the class {unused[0]}; add one, or remove the class")
    kinds = {kind for key in entries for kind, code in parse_key(key, origin) if code != TRANSPARENT}
    return LabelMap(tuple(classes), tables["value"], tables["color"], tables["name"], frozenset(kinds or {"value"}))


def parse_key(key: int | str, origin: str) -> list[tuple[Kind, Code]]:
    """Return what a key of a map means: a value, a color or a name; `transparent` is both a value and a color.

    Raises:
        UserError: It begins like a color and is none.
    """
    text = str(key).strip()
    if text == TRANSPARENT_KEY:
        return [("value", TRANSPARENT), ("color", TRANSPARENT)]
    if re.fullmatch(r"\d{1,9}", text):
        return [("value", int(text))]
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return [("color", int(text[1:], 16))]
    if channels := re.fullmatch(r"\[?(\d{1,3}),\s*(\d{1,3}),\s*(\d{1,3})\]?", text):
        red, green, blue = map(int, channels.groups())
        if max(red, green, blue) <= 255:
            return [("color", red << 16 | green << 8 | blue)]
    if text.startswith(("#", "[")) or channels or not text:
        raise UserError(f'{origin}: {key!r} is no color; expected six hexadecimal digits as in "#80ff00", in quotes')
    return [("name", text)]


def code_text(code: Code, kind: Kind) -> str:
    """Return a code as a configuration writes it."""
    if code == TRANSPARENT:
        return TRANSPARENT_KEY
    return f'"#{code:06x}"' if kind == "color" else str(code)


def _class_id(name: str | int, classes: Sequence[str], origin: str) -> int:
    if isinstance(name, int) and 0 <= name < len(classes):
        return name
    if name not in classes:
        raise UserError(f"{origin}: label_map names the class {name}, expected one of: {', '.join(classes)}")
    return list(classes).index(str(name))
