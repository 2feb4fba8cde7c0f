"""Names of output files: that of the input, and more of its path where several inputs have the same name."""

import os
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.live_input import LiveInput

LONGEST = 200  # bytes of a name, of which file systems allow 255


@dataclass(frozen=True)
class Targets:
    """The output of one input.

    Attributes:
        picture: File of the overlay.
        masks: File of the class ids, or the folder of those of a video's frames; None if there are none.
    """

    picture: Path
    masks: Path | None

    @property
    def paths(self) -> list[Path]:
        """All paths that are written."""
        return [self.picture] if self.masks is None else [self.picture, self.masks]


def output_targets(
    sources: Sequence[Path | LiveInput], videos: Sequence[bool], out: Path, masks: bool
) -> list[Targets]:
    """Choose the output of each input, in the folder `out`, so that none overwrites another.

    Args:
        sources: The inputs, all distinct.
        videos: For each of them, whether it becomes a video.
        masks: Whether class ids are written, too.

    Returns:
        The targets in the order of the inputs, the same whenever the inputs and their order are the same.

    Raises:
        UserError: An input would be overwritten.
    """
    inputs = {source.resolve() for source in sources if isinstance(source, Path)}
    files = [source if isinstance(source, Path) else Path(f"{source.stem}.mp4") for source in sources]
    taken: set[str] = set()
    numbers: Counter[tuple[str, bool]] = Counter()
    chosen = []
    for name, video, source in zip(_names(files, videos), videos, files, strict=True):
        while True:
            numbers[name, video] += 1
            number = numbers[name, video]
            targets = _targets(out, name if number == 1 else f"{name}_{number}", video, masks)
            keys = {path.name.casefold() for path in targets.paths}
            if not keys & taken:
                break
        taken |= keys
        for path in targets.paths:
            if path.resolve() in inputs:
                raise UserError(
                    f"{path}, an output for {source}, is an input and would be overwritten; choose another folder for "
                    "--out"
                )
        chosen.append(targets)
    return chosen


def _targets(out: Path, name: str, video: bool, masks: bool) -> Targets:
    mask = out / (f"{name}_mask" if video else f"{name}_mask.png")
    return Targets(out / f"{name}{'.mp4' if video else '.png'}", mask if masks else None)


def _names(sources: Sequence[Path], videos: Sequence[bool]) -> list[str]:
    """Return the stem of each input, longer where that is the stem of another of the same kind, too.

    Upper and lower case are one on some file systems.
    """
    groups: dict[tuple[bool, str], list[int]] = defaultdict(list)
    for index, (path, video) in enumerate(zip(sources, videos, strict=True)):
        groups[video, path.stem.casefold()].append(index)
    names = [path.stem for path in sources]
    for group in groups.values():
        if len(group) > 1:
            for index, name in zip(group, _longer([sources[index] for index in group]), strict=True):
                names[index] = name
    return names


def _longer(paths: Sequence[Path]) -> list[str]:
    """Return names with parent folders, the suffix, or both, as few as tell the paths apart; stems if none do."""
    whole = [Path(os.path.abspath(path)) for path in paths]
    deepest = max(len(path.parents) - 1 for path in whole)
    ways = [(1, False), (0, True), (1, True)]
    ways += [(depth, suffix) for depth in range(2, deepest + 1) for suffix in (False, True)]
    for depth, suffix in ways:
        names = [_name(path, depth, suffix) for path in whole]
        if max(len(os.fsencode(name)) for name in names) > LONGEST:
            continue
        if len({name.casefold() for name in names}) == len(names):
            return names
    return [path.stem for path in paths]


def _name(path: Path, depth: int, suffix: bool) -> str:
    parents = path.parts[1:-1]
    kept = parents[max(0, len(parents) - depth) :]
    return "_".join([*kept, path.stem, *([path.suffix[1:]] if suffix else [])])
