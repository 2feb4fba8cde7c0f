"""Types of the command line's options: numbers, names, texts and paths, each refused in one line with what is expected.

They are strict: only ASCII digits are digits, and there are no signs, spaces, underscores or exponents in a number.
"""

import argparse
import errno
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from ssr_mmseg.utils import limits
from ssr_mmseg.utils.live_input import SCHEMES, LiveInput, parse_live_input
from ssr_mmseg.utils.plain_text import text_problem

MOST = 60  # characters of a value in a message
MAX_TEXT = 20_000  # characters: 256 class names of 75
MAX_PATH = 4096  # bytes: PATH_MAX of Linux
MAX_NAME = 500
DIGITS = "[0-9]{1,10}"
SYSTEM = ("/dev", "/proc", "/sys")  # folders that have no files of a user


def expected(what: str, text: str, remedy: str) -> argparse.ArgumentTypeError:
    """Return the error about a value: what was expected, what was found, and what to do."""
    shown = repr(text) if len(text) <= MOST else f"{text[:MOST]!r} … ({len(text)} characters)"
    return argparse.ArgumentTypeError(f"expected {what}, found {shown}; {remedy}")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of an integer from `least` to `most`."""

    def convert(text: str) -> int:
        if re.fullmatch(DIGITS, text) and least <= int(text) <= most:
            return int(text)
        remedy = "choose another" if re.fullmatch("-?[0-9]+", text) else "write it in digits only"
        raise expected(f"an integer from {least} to {most}", text, remedy)

    return convert


bench_runs = whole_number(1, limits.MAX_BENCH_RUNS)
batch = whole_number(1, limits.MAX_BATCH)
classes = whole_number(limits.MIN_CLASSES, limits.MAX_CLASSES)
frames = whole_number(1, limits.MAX_FRAMES)
points = whole_number(2, limits.MAX_POINTS)
rounds = whole_number(3, limits.MAX_ROUNDS)
seed = whole_number(0, limits.MAX_SEED)
stage = whole_number(1, limits.MAX_STAGES)
steps = whole_number(1, limits.MAX_FORECAST_STEPS)
threads = whole_number(1, limits.MAX_THREADS)
threads_or_all = whole_number(0, limits.MAX_THREADS)  # 0: one per core


def share(text: str) -> float:
    """Convert a number from 0 to 1, written as a decimal fraction.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if re.fullmatch(r"[0-9]{0,10}\.?[0-9]{1,20}", text) and float(text) <= 1:
        return float(text)
    raise expected("a number from 0 to 1", text, "write it as 0.5")


def seconds(text: str) -> float:
    """Convert a positive number of seconds, written as a decimal fraction.

    Raises:
        argparse.ArgumentTypeError: It is none, or more than `limits.MAX_SECONDS`.
    """
    if re.fullmatch(r"[0-9]{0,10}\.?[0-9]{1,20}", text) and 0 < float(text) <= limits.MAX_SECONDS:
        return float(text)
    raise expected(f"a positive number of seconds, at most {limits.MAX_SECONDS}", text, "write it as 10 or 0.5")


def positive(unit: str, most: float, example: str) -> Callable[[str], float]:
    """Return the type of a positive number, written as a decimal fraction."""

    def convert(text: str) -> float:
        if re.fullmatch(r"[0-9]{0,10}\.?[0-9]{1,20}", text) and 0 < float(text) <= most:
            return float(text)
        raise expected(f"a positive number of {unit}, at most {most:g}", text, f"write it as {example}")

    return convert


milliseconds = positive("milliseconds", limits.MAX_MILLISECONDS, "8 or 0.5")
hours = positive("hours", limits.MAX_HOURS, "2 or 0.5")


def image_size(text: str) -> tuple[int, int]:
    """Convert HEIGHTxWIDTH in pixels, each side from 1 to `limits.MAX_SIDE`.

    Raises:
        argparse.ArgumentTypeError: It is no size, or one that is too large for a network.
    """
    match = re.fullmatch(f"({DIGITS})x({DIGITS})", text)
    if match is None:
        raise expected("HEIGHTxWIDTH such as 512x1024", text, "write both in digits, with an x between them")
    height, width = int(match[1]), int(match[2])
    if not (1 <= height <= limits.MAX_SIDE and 1 <= width <= limits.MAX_SIDE):
        raise expected(f"sides from 1 to {limits.MAX_SIDE} pixels", text, "choose another size")
    if problem := limits.pixels_problem(height, width):
        raise argparse.ArgumentTypeError(f"expected {problem}; choose a smaller size")
    return height, width


def name(text: str) -> str:
    """Return the name of a dataset, another scenario or a network.

    Raises:
        argparse.ArgumentTypeError: It cannot be one.
    """
    if re.fullmatch(rf"[A-Za-z0-9_@/.+-]{{1,{MAX_NAME}}}", text) and ".." not in text:
        return text
    raise expected("a name of letters, digits and _@/.+-", text, "check its spelling")


def text_line(text: str) -> str:
    """Return text of at least one letter, without control characters.

    Raises:
        argparse.ArgumentTypeError: It is something else, or longer than `MAX_TEXT`.
    """
    if text and len(text) <= MAX_TEXT and not text_problem(text):
        return text
    what = f"1 to {MAX_TEXT} characters, none of them a control character"
    raise expected(what, text, "correct it, or leave the option out")


def path(text: str) -> Path:
    """Return a path that a file system can have, whether or not something is there.

    Raises:
        argparse.ArgumentTypeError: It is empty or too long, has a null character, or leads through a file.
    """
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:  # an unpaired surrogate
        encoded = b""
    if not encoded or b"\0" in encoded or len(encoded) > MAX_PATH:
        raise expected(f"a path of 1 to {MAX_PATH} bytes", text, "choose another path")
    try:
        os.stat(text)
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ENOTDIR, errno.ELOOP):
            raise expected("a path", text, f"choose another one, because of: {error.strerror}") from error
    return Path(text)


def source_path(text: str) -> Path:
    """Return the path of a file or folder to read, which may be missing, but is no device and no named pipe.

    A device such as /dev/zero has no end. The pipe of a shell, as in `--config <(command)`, is one without a name.

    Raises:
        argparse.ArgumentTypeError: It is one.
    """
    found, kind = path(text), _kind(text)
    pipe = kind == stat.S_IFIFO and os.path.realpath(text).startswith("/proc/")
    if kind in (None, stat.S_IFREG, stat.S_IFDIR) or pipe:
        return found
    raise expected("a file or folder", text, "choose another path, because this is a device or a pipe")


def media(text: str) -> Path | LiveInput:
    """Return the path of an image, video or folder, or the camera or stream that a text names.

    Raises:
        argparse.ArgumentTypeError: It can be none of these.
    """
    try:
        live = parse_live_input(text)
    except ValueError as error:
        schemes = ", ".join(SCHEMES)
        raise expected(f"for a stream by {schemes} {error}", text, "correct the address") from error
    return source_path(text) if live is None else live


def target_path(text: str) -> Path:
    """Return the path of a file or folder to write, which is no device and not in a folder of the system.

    A file is written under another name and then renamed, which would replace a device, or a link such as /dev/stdout.

    Raises:
        argparse.ArgumentTypeError: It is.
    """
    found = path(text)
    places = {Path(os.path.abspath(text)), Path(os.path.realpath(text))}
    inside = any(place.is_relative_to(folder) for place in places for folder in SYSTEM)
    if not inside and _kind(text) in (None, stat.S_IFREG, stat.S_IFDIR):
        return found
    raise expected("a path to write to", text, f"choose one that is no device and not in {', '.join(SYSTEM)}")


def target_file(text: str) -> Path:
    """Return the path of a file to write: see `target_path`; it must not be a folder.

    Raises:
        argparse.ArgumentTypeError: It is.
    """
    found = target_path(text)
    if found.is_dir():
        raise expected("a file to write", text, "choose a name in this folder")
    return found


def _kind(text: str) -> int | None:
    """Return the kind of what is at a path, such as `stat.S_IFREG`; None if it is missing or cannot be seen."""
    try:
        return stat.S_IFMT(os.stat(text).st_mode)
    except OSError:  # what reads or writes it says why
        return None
