"""Files of a source, by what they can be: images, labels, annotations, or pictures that nothing here reads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import walk_files

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
UNREAD_SUFFIXES = (  # pictures and videos: a user expects them to be used
    ".heic", ".heif", ".avif", ".gif", ".jp2", ".j2k", ".jxl", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".raw", ".svg",
    ".psd", ".exr", ".hdr", ".ppm", ".pgm", ".tga", ".npy", ".npz", ".mat", ".mp4", ".avi", ".mov", ".mkv",
)  # fmt: skip
MAX_FILES = 2_000_000


@dataclass
class SourceFiles:
    """The files below a folder, without hidden ones, sorted by path.

    Attributes:
        root: The folder.
        pictures: Paths relative to the root of files that can be images or labels.
        others: Relative paths of all other files.
    """

    root: Path
    pictures: list[PurePosixPath] = field(default_factory=list)
    others: list[PurePosixPath] = field(default_factory=list)

    def unread(self) -> list[PurePosixPath]:
        """Return pictures and videos of formats that are not read."""
        return [path for path in self.others if path.suffix.lower() in UNREAD_SUFFIXES]

    def below(self, folder: str) -> list[PurePosixPath]:
        """Return the pictures below a folder that is relative to the root."""
        return [path for path in self.pictures if path.is_relative_to(folder)]


def list_files(root: Path) -> SourceFiles:
    """List the files of a source.

    Raises:
        UserError: A folder cannot be read, or there are too many files.
    """
    files = SourceFiles(root)
    try:
        for count, name in enumerate(walk_files(root)):
            if count == MAX_FILES:
                raise UserError(f"{root} has over {MAX_FILES} files; set source to the folder of the dataset itself")
            path = PurePosixPath(Path(name).as_posix())
            (files.pictures if path.suffix.lower() in IMAGE_SUFFIXES else files.others).append(path)
    except OSError as error:
        raise UserError(f"could not read {error.filename}: {error.strerror}; check its permissions") from error
    return files


def examples(paths: Iterable[object], count: int) -> str:
    """Return a few of `count` things for a message, as in `a.png, b.png and 3 more`."""
    shown = [str(path) for path, _ in zip(paths, range(3 if count > 4 else 4), strict=False)]
    more = count - len(shown)
    return f"{', '.join(shown)} and {more} more" if more > 0 else ", ".join(shown)
