"""Plan of an import: pairs with their splits, and the map of their labels, decided before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ssr_mmseg.datasets.importing import sequences, split
from ssr_mmseg.datasets.importing.label_map import IGNORED, LabelMap
from ssr_mmseg.datasets.importing.layouts.detect import find_pairs
from ssr_mmseg.datasets.importing.layouts.files import SourceFiles, examples, list_files
from ssr_mmseg.datasets.importing.raw_label import Pair
from ssr_mmseg.datasets.importing.request import ImportRequest, SplitRequest
from ssr_mmseg.datasets.importing.resolve import resolve_map
from ssr_mmseg.datasets.importing.survey import Surveyed, survey
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.plain_text import check_class_names, check_path

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class ImportPlan:
    """What an import does.

    Attributes:
        source: Folder of the source.
        layout: Name of its layout.
        surveyed: Its pairs, every one with a split, sorted by split and key.
        label_map: Map of its labels.
        groups: Group of images that the split kept together, by key; empty if the source has splits.
        notes: Sentences for the user.
    """

    source: Path
    layout: str
    surveyed: list[Surveyed]
    label_map: LabelMap
    groups: dict[str, str]
    notes: list[str]

    def plain_root(self) -> Path | None:
        """Return the folder that already has the project's own form, so that nothing need be written; else None.

        Its images are `<split>/images/KEY.{png,jpg,jpeg}`, upright, and its labels `<split>/labels/KEY.png`, whose
        8-bit values are class ids or ignored.
        """
        roots = {_own_root(one.pair) for one in self.surveyed}
        identity = all(number in (value, IGNORED) for value, number in self.label_map.values.items())
        as_values = identity and self.label_map.kinds == {"value"}
        plain = as_values and not self.groups and all(map(_is_plain, self.surveyed))
        return roots.pop() if plain and len(roots) == 1 else None


def plan_import(source: Path, request: ImportRequest, need_splits: bool = True) -> ImportPlan:
    """Find, decode and check the labels of a source, and decide what becomes of them.

    Args:
        source: Its folder.
        request: How it is to be read.
        need_splits: Refuse a source that neither has splits nor is to be split; otherwise its pairs have none.

    Raises:
        UserError: The source or the request does not tell which class each pixel of each image has.
    """
    files = list_files(source)
    found = find_pairs(files, request.layout)
    for pair in found.pairs:
        for path in (pair.image, pair.label.path):
            check_path(path, request.origin)
    surveyed = survey(found.pairs, request.orientation)
    label_map, notes = resolve_map(request, surveyed, source)
    check_class_names(label_map.classes, request.origin)
    notes = [*found.notes, *notes, *_unread(files, found.pairs), *_facts(surveyed)]
    if not need_splits and request.split is None:
        return ImportPlan(source, found.layout, sorted(surveyed, key=_order), label_map, {}, notes)
    surveyed, groups, drawn = assign_splits(surveyed, label_map, request)
    return ImportPlan(source, found.layout, surveyed, label_map, groups, [*notes, *drawn])


def assign_splits(
    surveyed: Sequence[Surveyed], label_map: LabelMap, request: ImportRequest
) -> tuple[list[Surveyed], dict[str, str], list[str]]:
    """Draw the splits that the source lacks.

    Returns:
        The pairs with splits, sorted; the group of each image if splits were drawn; and notes.

    Raises:
        UserError: Splits are missing and none are requested, or requested ones exist.
    """
    present = {one.pair.split for one in surveyed}
    if request.split is None:
        _check_present(present, len(surveyed), request)
        return sorted(surveyed, key=_order), {}, []
    if request.split.table:
        return _by_table(surveyed, request.split.table, request)
    for name in request.split.shares:
        if name in present:
            raise UserError(f"{request.origin}: the source has a split {name} already; remove split.{name}")
    pool = [one for one in surveyed if one.pair.split in (None, "train")]
    if not pool or ("val" not in request.split.shares and "val" not in present):
        raise UserError(f"{request.origin}: expected a share for val, as in split: {{val: 0.15, test: 0.15, seed: 0}}")
    assignment, groups, by = _draw(pool, label_map, request.split)
    placed = [
        replace(one, pair=replace(one.pair, split=assignment.get(one.pair.key, one.pair.split)))
        if one.pair.split in (None, "train")
        else one
        for one in surveyed
    ]
    counts = {name: sum(one.pair.split == name for one in placed) for name in SPLITS}
    kept = "" if by == "image" else f", {len(set(groups.values()))} {by}s kept whole"
    drawn = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return sorted(placed, key=_order), groups, [f"splits drawn with seed {request.split.seed}: {drawn}{kept}"]


def _by_table(
    surveyed: Sequence[Surveyed], table: str, request: ImportRequest
) -> tuple[list[Surveyed], dict[str, str], list[str]]:
    """Return pairs, groups (each image is one) and notes as `assign_splits`, with splits from a CSV file."""
    if request.split and request.split.shares:
        raise UserError(f"{request.origin}: split has a table and shares of val or test; remove one of them")
    assignment = split.read_split(Path(table).expanduser())
    keys = [one.pair.key for one in surveyed]
    for name, missing in (
        ("it", sorted(set(keys) - set(assignment))),
        ("the source", sorted(set(assignment) - set(keys))),
    ):
        if missing:
            raise UserError(
                f"{request.origin}: {table} and the source differ: {name} lacks {examples(missing, len(missing))}; "
                "correct the table"
            )
    placed = [replace(one, pair=replace(one.pair, split=assignment[one.pair.key])) for one in surveyed]
    _check_present({one.pair.split for one in placed}, len(placed), request)
    return sorted(placed, key=_order), {key: key for key in keys}, [f"splits: those of {table}"]


def _draw(
    pool: Sequence[Surveyed], label_map: LabelMap, request: SplitRequest
) -> tuple[dict[str, str], dict[str, str], str]:
    """Return the split and the group of each key, and what the groups are."""
    keys = [one.pair.key for one in pool]
    by = sequences.auto_grouping(keys) if request.by == "auto" else request.by
    groups = sequences.group_keys(keys, by)
    pixels = {one.pair.key: label_map.class_pixels(one.codes, one.counts, one.pair.label.path) for one in pool}
    assignment = split.draw_split(groups, pixels, dict(request.shares), request.seed)
    return assignment, {key: name for name, members in groups.items() for key in members}, by


def _check_present(present: set[str | None], count: int, request: ImportRequest) -> None:
    if {"train", "val"} <= present:
        return
    if present == {None}:
        found = f"its {count} images are in no splits"
    else:
        found = f"it has the splits {', '.join(sorted(filter(None, present)))}"
    raise UserError(
        f"{request.origin}: expected folders or lists for train and val in the source, but {found}; draw them with "
        "split: {val: 0.15, test: 0.15, seed: 0}"
    )


def _unread(files: SourceFiles, pairs: Sequence[Pair]) -> list[str]:
    """Return a note about pictures that are not read; refuse those that are among the images or labels."""
    unread = files.unread()
    folders = {path.parent for pair in pairs for path in (pair.image, pair.label.path)}
    among = [path for path in unread if (files.root / path).parent in folders]
    if among:
        raise UserError(
            f"formats of files in {files.root} that are not read: {examples(among, len(among))}; convert them to PNG "
            "or JPEG images, or move them away"
        )
    return [f"not read: {examples(unread, len(unread))}"] if unread else []


def _facts(surveyed: Sequence[Surveyed]) -> list[str]:
    """Return notes on what is done to images and labels."""
    raw = sum(one.raw for one in surveyed)
    turned = sum(one.orientation != 1 for one in surveyed) - raw
    notes = []
    if raw:
        notes.append(
            f"{raw} labels were drawn before the image was turned by its EXIF orientation: they are turned, too"
        )
    if turned:
        notes.append(f"{turned} images are turned by their EXIF orientation, as their labels are")
    return notes


def _is_plain(one: Surveyed) -> bool:
    return one.plain and not one.raw and one.format in ("PNG", "JPEG", "MPO")


def _own_root(pair: Pair) -> Path | None:
    """Return the folder below which the files of a pair are where the project's own form has them; else None."""
    levels = len(Path(pair.key).parts) + 2  # the key, `images` and the split
    if len(pair.image.parts) < levels:
        return None
    root, suffix = pair.image.parents[levels - 1], pair.image.suffix
    folder = root / str(pair.split)
    own = suffix.lower() in (".png", ".jpg", ".jpeg")
    image, label = folder / "images" / (pair.key + suffix), folder / "labels" / (pair.key + ".png")
    return root if own and image == pair.image and label == pair.label.path else None


def _order(one: Surveyed) -> tuple[int, str]:
    return (*SPLITS, None).index(one.pair.split), one.pair.key
