"""Which files of an unfinished experiment are worth carrying along, in which order."""

import re
from pathlib import Path

STATE = re.compile(r"results/(?P<search>.+/seed\d+)/(search|shrink(?P<stage>\d+))/state\.pth")
WORK = "results/work/"
SMALL = 2**20  # bytes up to which a file counts as a record
RECORDS = {".json", ".csv", ".md", ".tsv", ".log", ".html", ".rst"}
FOLDERS = ("results", ".snakemake/metadata")


def candidates(root: Path) -> list[Path]:
    """Files below `root` that belong to an experiment, relative to it, the most important ones first.

    Records come first, then the last finished state of each search, the weights of trained networks, the states of
    unfinished trainings (the smallest first: the furthest of a search, whose supernet shrinks), and everything else.
    Prepared data are left where they are, and so are states of search stages that a later stage has followed, a
    training's state before its newest, and its claim.
    """
    files = [path for folder in FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    names = {path.relative_to(root): path.stat().st_size for path in files}
    kept = {name for name in names if not _is_data(name) and not name.name.startswith(".")}
    last = _last_stages(kept)
    wanted = [name for name in kept if not _superseded(name, last) and not _spare(name, kept)]
    return sorted(wanted, key=lambda name: (_rank(name, names[name]), names[name], name.as_posix()))


def _is_data(name: Path) -> bool:
    parts = name.parts
    return len(parts) > 4 and parts[0] == "results" and parts[2:4] == ("prepare", "data")


def _last_stages(names: set[Path]) -> dict[str, int]:
    """The latest finished stage of each search."""
    last: dict[str, int] = {}
    for name in names:
        found = STATE.fullmatch(name.as_posix())
        if found:
            last[found["search"]] = max(last.get(found["search"], 0), int(found["stage"] or 0))
    return last


def _superseded(name: Path, last: dict[str, int]) -> bool:
    found = STATE.fullmatch(name.as_posix())
    return found is not None and int(found["stage"] or 0) < last[found["search"]]


def _spare(name: Path, kept: set[Path]) -> bool:
    """Whether a file of a work folder is of no use elsewhere: what its process claims, or an older state."""
    if not name.as_posix().startswith(WORK):
        return False
    older = name.name in ("previous.pth", "next.pth") and name.with_name("state.pth") in kept
    return older or name.name == "lock"


def _rank(name: Path, size: int) -> int:
    text = name.as_posix()
    if text.startswith(WORK) and name.suffix == ".pth":
        return 3
    if STATE.fullmatch(text):
        return 1
    if name.name == "weights.pth":
        return 2
    return 0 if (name.suffix in RECORDS and size <= SMALL) or text.startswith(".snakemake") else 4
