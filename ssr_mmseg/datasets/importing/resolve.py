"""Choice of the label map of a source: the configured one, a table in the source, or the ids as they are."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from ssr_mmseg.datasets.importing.class_table import find_table, read_table
from ssr_mmseg.datasets.importing.label_map import IGNORED, Code, LabelMap, code_text, parse_key, parse_map, view
from ssr_mmseg.datasets.importing.layouts.files import examples
from ssr_mmseg.datasets.importing.raw_label import BACKGROUND, GRAY, TRANSPARENT, Kind
from ssr_mmseg.datasets.importing.request import ImportRequest
from ssr_mmseg.datasets.importing.survey import Surveyed
from ssr_mmseg.utils.errors import UserError

SHOWN = 20  # codes in a message at most


def resolve_map(request: ImportRequest, surveyed: Sequence[Surveyed], source: Path) -> tuple[LabelMap, list[str]]:
    """Return the map from the codes in the labels to class ids, and notes for the user.

    Raises:
        UserError: The labels have codes that nothing names, or the settings contradict each other.
    """
    notes: list[str] = []
    if request.label_map is not None:
        label_map = _configured(request, source)
    elif any(one.codes.kind == "name" for one in surveyed):
        label_map = _by_name(request, surveyed)
    else:
        label_map, notes = _without_map(request, surveyed, source)
    check_codes(label_map, surveyed, request)
    return label_map, notes


def check_codes(label_map: LabelMap, surveyed: Sequence[Surveyed], request: ImportRequest) -> None:
    """Refuse labels with codes that the map does not have, and labels of a single class.

    Raises:
        UserError: There are such labels.
    """
    pixels: dict[tuple[Kind, Code], int] = Counter()
    unknown: dict[tuple[Kind, Code], Path] = {}
    for one in surveyed:
        shown = view(one.codes, one.pair.label.path, label_map.kinds)
        for code, count in one.pixels(label_map.kinds).items():
            pixels[shown.kind, code] += count
            if code not in label_map.ids(shown.kind):
                unknown.setdefault((shown.kind, code), one.pair.label.path)
    if unknown:
        raise UserError(_unknown_message(unknown, pixels, label_map, request))
    present = {label_map.ids(kind)[code] for kind, code in pixels} - {IGNORED}
    if not present:
        raise UserError(f"{request.origin}: every pixel of every label is ignored; check ignore and the labels")
    if len(present) == 1:
        raise UserError(_single_class_message(label_map, present.pop(), pixels, request))


def _configured(request: ImportRequest, source: Path) -> LabelMap:
    """Return the map of the configuration, which may name a table."""
    entries, classes = request.label_map, request.classes
    if isinstance(entries, str):
        path = Path(entries).expanduser()
        rows = read_table(path if path.is_file() or not (source / entries).is_file() else source / entries)
        entries = {key if key is not None else str(number): name for number, (name, key) in enumerate(rows)}
    assert entries is not None
    named = {code for key in entries for _, code in parse_key(key, request.origin)}
    ignore = request.ignore if request.ignore is not None else (() if IGNORED in named else (IGNORED,))
    if isinstance(request.label_map, str):  # a table names the unlabeled pixels, too
        ignored = {code for key in ignore for _, code in parse_key(key, request.origin)}
        entries = {k: name for k, name in entries.items() if not {c for _, c in parse_key(k, request.origin)} & ignored}
    return parse_map(entries, ignore, classes, request.origin)


def _by_name(request: ImportRequest, surveyed: Sequence[Surveyed]) -> LabelMap:
    """Return the map of a source that names its classes, as COCO does."""
    ignored = {str(key) for key in request.ignore or ()}
    occurring = {name for one in surveyed for name in one.pixels(frozenset({"name"}))}
    names = list(dict.fromkeys(name for one in surveyed for name in one.codes.names))
    shown = {name: "background" if name == BACKGROUND else name for name in names}
    wanted = [shown[name] for name in names if name not in ignored and (name != BACKGROUND or name in occurring)]
    classes = list(request.classes or dict.fromkeys(wanted))
    missing = [name for name in wanted if name not in classes]
    if missing:
        raise UserError(
            f"{request.origin}: the source has the class {missing[0]}, which is not in classes; add it, map it with "
            f"label_map: {{{missing[0]}: CLASS, …}}, or ignore: [{missing[0]}]"
        )
    known = {name: classes.index(shown[name]) for name in names if shown[name] in classes}
    ids = known | dict.fromkeys(ignored, IGNORED)
    return LabelMap(tuple(classes), names=ids, kinds=frozenset({"name"}))


def _without_map(request: ImportRequest, surveyed: Sequence[Surveyed], source: Path) -> tuple[LabelMap, list[str]]:
    """Return the map of a class table in the source if there is one, or else that of ids as they are."""
    colored = [one for one in surveyed if one.codes.kind == "color" and _is_colored(one)]
    table = find_table(source)
    rows = read_table(table) if table else []
    keyed = [key for _, key in rows if key is not None]
    if table and keyed and (colored or not keyed[0].startswith("#")):
        found = _configured(replace(request, label_map=str(table)), source)
        return found, [f"label map: {table.name} of the source"]
    if colored:
        raise UserError(_colors_message(colored, surveyed, request))
    classes = request.classes or tuple(name for name, _ in rows)
    if not classes:
        raise UserError(
            f"{request.origin}: the labels hold the values {_values_text(surveyed)}; name them: classes: [NAME of 0, "
            "NAME of 1, …]"
        )
    _check_palettes(surveyed, request)
    ignore = request.ignore if request.ignore is not None else (IGNORED,)
    for value in ignore:
        if isinstance(value, int) and value < len(classes):
            raise UserError(
                f"{request.origin}: ignore has {value}, which is the class {classes[value]}; expected values from "
                f"{len(classes)}, or a label_map that names what each value is"
            )
    identity = {str(number): name for number, name in enumerate(classes)}
    return parse_map(identity, ignore, classes, request.origin), []


def _is_colored(one: Surveyed) -> bool:
    """Return whether a color label has a pixel that is not gray."""
    codes = one.codes.codes
    return bool(((codes != TRANSPARENT) & (codes != (codes & 255) * GRAY)).any())


def _check_palettes(surveyed: Sequence[Surveyed], request: ImportRequest) -> None:
    """Refuse palette labels whose indices have other colors in other files: the index is then no class id.

    Programs that reduce a picture's colors number them in each file in another order.
    """
    seen: dict[int, tuple[int, Path]] = {}
    for one in surveyed:
        for index in one.codes.codes.tolist() if one.codes.palette else ():
            color = one.codes.palette[index] if index < len(one.codes.palette) else 0
            before, path = seen.setdefault(index, (color, one.pair.label.path))
            if before != color:
                raise UserError(
                    f"{request.origin}: palette index {index} is {code_text(before, 'color')} in {path} and "
                    f"{code_text(color, 'color')} in {one.pair.label.path}, so indices are no class ids; name the "
                    "colors: "
                    'label_map: {"#rrggbb": CLASS, …}'
                )


def _unknown_message(
    unknown: dict[tuple[Kind, Code], Path],
    pixels: dict[tuple[Kind, Code], int],
    label_map: LabelMap,
    request: ImportRequest,
) -> str:
    """Describe codes without a class: which, how many pixels, where, and what to do."""
    total = sum(pixels.values())
    listed = sorted(unknown, key=lambda key: -pixels[key])
    texts = [f"{code_text(code, kind)} ({_share(pixels[kind, code], total)})" for kind, code in listed]
    where = unknown[listed[0]]
    what = f"labels hold {examples(texts, len(texts))}, first in {where}"
    known = ", ".join(code_text(code, kind) for kind in label_map.kinds for code in list(label_map.ids(kind))[:SHOWN])
    if request.label_map is None and label_map.kinds == {"value"}:
        values = {code for (_, code) in pixels}
        last = len(label_map.classes) - 1
        hint = "; masks of 0 and 255 mean label_map: {0: background, 255: CLASS}" if values == {0, 255} else ""
        return (
            f"{request.origin}: {what}; expected classes 0 to {last} or ignored values; name what the values mean with "
            f"label_map: {{VALUE: CLASS, …}}, or list them in ignore{hint}"
        )
    smooth = "; many rare colors come from smooth edges: export the labels without them" if len(listed) > 20 else ""
    return f"{request.origin}: {what}; label_map and ignore name {known}; add what is missing{smooth}"


def _single_class_message(
    label_map: LabelMap, only: int, pixels: dict[tuple[Kind, Code], int], request: ImportRequest
) -> str:
    """Describe labels of which every pixel is of one class or ignored, from which nothing can be learned."""
    name = label_map.classes[only]
    if {code for _, code in pixels} == {0, IGNORED} and request.label_map is None:
        return (
            f"{request.origin}: the labels hold only 0 and 255, and 255 means ignored, so every labeled pixel is "
            f"{name}; if 255 marks a class, say label_map: {{0: {name}, 255: CLASS}}"
        )
    codes = ", ".join(sorted(code_text(code, kind) for kind, code in pixels)[:SHOWN])
    return (
        f"{request.origin}: every labeled pixel is of the class {name} (the labels hold {codes}), so there is nothing "
        "to learn; check label_map, classes and ignore"
    )


def _colors_message(colored: Sequence[Surveyed], surveyed: Sequence[Surveyed], request: ImportRequest) -> str:
    """Describe color labels without a map, with a template of the map."""
    pixels: Counter[Code] = Counter()
    for one in surveyed:
        pixels.update(one.pixels(frozenset({"color"})))
    total = sum(pixels.values())
    common = [code for code, _ in pixels.most_common(SHOWN)]
    if len(pixels) > IGNORED:
        return (
            f"{request.origin}: the labels have {len(pixels)} colors, expected one for each class (first in "
            f"{colored[0].pair.label.path}); smooth edges make colors: export the labels without them"
        )
    template = ", ".join(f"{code_text(code, 'color')}: NAME" for code in common)
    shares = ", ".join(f"{code_text(code, 'color')} {_share(pixels[code], total)}" for code in common[:5])
    return (
        f"{request.origin}: the labels are color pictures with {len(pixels)} colors ({shares}); say which class each "
        f"is: label_map: {{{template}}}"
    )


def _values_text(surveyed: Sequence[Surveyed]) -> str:
    values: Collection[Code] = {code for one in surveyed for code in one.pixels(frozenset({"value"}))} - {IGNORED}
    return examples(sorted(values, key=lambda code: (isinstance(code, str), code)), len(values))


def _share(part: int, total: int) -> str:
    share = 100 * part / total
    return f"{share:.1f} %" if share >= 0.1 else "under 0.1 %"
