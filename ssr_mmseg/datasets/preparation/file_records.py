"""Records of the files of a dataset while it is prepared; later stages compare them with the files."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssr_mmseg.datasets.importing.clean_copy import WHOLE
from ssr_mmseg.datasets.preparation.verify import CheckedPair
from ssr_mmseg.settings.prepared_files import FileRecord
from ssr_mmseg.utils.files import sha256, walk_files


def states(files: Iterable[Path]) -> dict[Path, os.stat_result]:
    """Return size and times of the files that exist.

    To be called before they are read: a change from then on is noticed.
    """
    found = {}
    for file in files:
        try:
            found[file] = os.stat(file)
        except OSError:  # the check of the pairs names it
            continue
    return found


def records(
    checked: Mapping[str, Sequence[CheckedPair]],
    before: Mapping[Path, os.stat_result],
    datasets: Mapping[str, Any],
    root: Path,
) -> list[FileRecord]:
    """Return the records of all files that later stages read.

    These are images, labels and lists of names, and for a dataset of tiles the whole images of val and test.

    Args:
        checked: Verified pairs of each split.
        before: What `states` returned for their files.
        datasets: mmseg dataset of each split.
        root: Folder of the data.
    """
    found = []
    for split, pairs in checked.items():
        for pair in pairs:
            for file, digest in ((pair.image, pair.image_sha256), (pair.label, pair.label_sha256)):
                found.append(_record(split, file, before[file], digest, root))
        others = [Path(datasets[split].ann_file)] if datasets[split].ann_file else []
        whole = root / f"{split}{WHOLE}"
        others += [whole / name for name in walk_files(whole)] if whole.is_dir() else []
        found += [_record(split, file, os.stat(file), sha256(file), root) for file in others if file.is_file()]
    return found


def _record(split: str, file: Path, state: os.stat_result, digest: str, root: Path) -> FileRecord:
    path = Path(os.path.relpath(file, root)).as_posix()
    return FileRecord(split, path, state.st_size, state.st_mtime_ns, digest)
