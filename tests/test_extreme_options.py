"""Every option of every command answers extreme values in one line: no traceback, no hang, no write elsewhere.

The options are those of the parser, so a new option is tested without a change here; a new command needs its valid
arguments in `VALID`, unless it takes `--config` only.
"""

import argparse
import contextlib
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import small_experiment
import yaml
from confined import confined
from mmengine.runner import Runner

from ssr_mmseg import settings
from ssr_mmseg.cli import main, parser
from ssr_mmseg.costs.latency_table import measure
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils import option_types
from ssr_mmseg.utils.errors import UserError

SECONDS = 15.0  # of CPU time of one command; several times what the slowest needs, an export
MEGABYTES = 400  # that all commands of one option may add
PAPER = str(PROJECT / "config/genotypes/paper_cityscapes.json")
NETWORK = small_experiment.NETWORK
DATA, CLASSES = "results/town/prepare/data", ",".join("abcdefghijk")
IMAGE = f"{DATA}/val/images/00000.png"
TOWN = ("--config", "own.yaml", "--dataset", "town")
VALID = {
    **dict.fromkeys(("prepare", "search", "discretize", "gap", "rank", "space"), TOWN),
    **dict.fromkeys(("retrain", "evaluate", "profile"), (*TOWN, "--network", NETWORK)),
    "latency-table": (*TOWN, "--classes", "3", "--out", "out/table.json"),
    "shrink": (*TOWN, "--stage", "1"),
    "select": (*TOWN, "--network", "random"),
    "forecast": (*TOWN, "--steps", "1"),
    "init": ("out/new",),
    "cost": ("--genotype", PAPER, "--classes", "20", "--size", "64x64"),
    "export": (*TOWN, "--network", NETWORK, "--out", "out/net.onnx", "--size", "32x64"),
    "predict": ("net.onnx", IMAGE, "--out", "out/pictures", "--frames", "1"),  # of a camera, if there is one
    "bench": ("net.onnx", "--runs", "1", "--seconds", "0.1"),
    "inspect": (DATA, "--classes", CLASSES),
    "import": (DATA, "--classes", CLASSES, "--out", "out/copy"),
}
PAIR = ("--genotype", f"config/genotypes/{NETWORK}.json", "--weights", str(small_experiment.WEIGHTS))
WITH_PAIR = ("genotype", "weights", "classes")  # options of `export` that go with these two

NUMBERS = ["0", "-1", "257", "1000000000", str(2**32 - 1), str(2**32), "9" * 5000, "nan", "-inf", "1e999", "1e3"]
NUMBERS += ["0.5", "1.5", "1_000", "+5", " 5", "0x10", "\u0663", "\u00b2"]
OTHERS = ["0x0", "100000x100000", "8192x8192", "9" * 30 + "x8", "\u0668x\u0668", "8x"]  # sizes
OTHERS += ["-1h", "1e999h", "9999999999d", "9" * 400 + "d", "\u0661h"]  # durations
OTHERS += ["val=1e400", "val=nan,test=0.5", "seed=-1", "=", "99999999999=a", "9" * 5000 + "=a"]  # lists
TEXTS = ["", "\0", "a\0b", "\x1b[2J", "x" * 100_000, "a/" * 3000, "..", "\ud800", "random_" + "9" * 5000, "--"]
GLYPHS = ["\n\u202e\u540d", "%s{0}{dataset}"]  # of names of files, too
PATHS = ["", "\0", "a" * 300, "file/x", "folder", "unreadable", "pipe", "link"]
PATHS += ["/dev/null", "/dev/zero", "/dev/full", "/proc/self/mem"]
VALUES = list(dict.fromkeys([*NUMBERS, *OTHERS, *TEXTS, *GLYPHS, *PATHS, "missing/x", "file", "/"]))


def options() -> list[tuple[str, argparse.Action]]:
    """Return every option with a value, and every positional argument, with its command."""
    (groups,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return [
        (name, action)
        for name, command in groups.choices.items()
        for action in command._actions
        if not isinstance(action, argparse._HelpAction) and action.nargs != 0
    ]


def values(action: argparse.Action) -> list[str]:
    """Return the values to try; for what is written, few that are the name of a file, and no folder above this one."""
    writes = action.type in (option_types.target_path, option_types.target_file)
    return [*PATHS, *GLYPHS, "x" * 100_000, "--"] if writes else VALUES


def command_line(command: str, action: argparse.Action, value: str) -> list[str]:
    """Return the valid command with one value replaced."""
    valid = list(VALID.get(command, ("--config", "own.yaml")))
    if command == "export" and action.dest in WITH_PAIR:
        valid = ["--config", "own.yaml", *PAIR, "--out", "out/net.onnx", "--size", "32x64"]
    if action.option_strings:
        option = action.option_strings[-1]
        if option in valid:
            del valid[valid.index(option) : valid.index(option) + 2]
        return [command, *valid, f"{option}={value}"]
    valid[("model", "inputs").index(action.dest) if command == "predict" else 0] = value
    return [command, *valid]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a prepared dataset, a trained and an exported network, and odd files."""
    folder = tmp_path_factory.mktemp("extreme")
    small_experiment.make(folder)
    space = {
        "stages": [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 28, "width_step": 2}],
        "dilations": [1, 2],
        "resolutions": [1, 2],
        "width_options": 3,
    }
    dataset = {"type": "streets", "size": [32, 64], "options": {"train": 4, "val": 2, "test": 1, "seed": 0}}
    config = {
        "device": "cpu",
        "datasets": {"town": dataset},
        "networks": [NETWORK],
        "search": {"space": space, "epochs": 1, "shrink_stages": 1, "min_steps": 1, "batch_size": 2},
        "latency": {"points": 2, "rounds": 3, "networks": 1, "threads": 1},
        "evaluate": {"exported": False},  # which takes seconds
        "profile": {"sizes": [], "runs": 1, "seconds": 0.01, "calibration": 2},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(config))
    (folder / "folder").mkdir()
    (folder / "file").write_text("x")
    (folder / "unreadable").touch(mode=0)
    (folder / "link").symlink_to("/dev/null")
    os.mkfifo(folder / "pipe")
    with contextlib.chdir(folder):
        assert main(["export", "--config", "own.yaml", *PAIR, "--out", "net.onnx", "--size", "32x64"]) == 0
    return folder


def refuse_training(*_: object) -> None:
    raise UserError("a training would start here")


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    """The folder as the working directory, without trainings and without measurements."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLCONFIGDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setattr(Runner, "train", refuse_training)
    monkeypatch.setattr(measure, "time_parts", lambda parts, table, _: np.ones((len(parts), table.key["rounds"])))
    valid, read = settings.read_config("own.yaml"), settings.read_config
    monkeypatch.setattr(settings, "read_config", lambda path: dict(valid) if str(path) == "own.yaml" else read(path))
    return folder


def too_slow(*_: object) -> None:
    raise AssertionError("the command does not end")


def run(arguments: list[str]) -> int:
    """Run a command and return its exit status."""
    handler = signal.signal(signal.SIGALRM, too_slow)
    signal.setitimer(signal.ITIMER_REAL, 10 * SECONDS)
    started = time.process_time()
    try:
        status = main(arguments)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else -1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert time.process_time() - started < SECONDS
    return status


@pytest.mark.parametrize(("command", "action"), options(), ids=lambda part: getattr(part, "dest", part))
def test_extreme_values_of_an_option_are_answered_in_one_line(here, capfd, command, action):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = set()
    for value in values(action):
        arguments = command_line(command, action, value)
        with confined(here):
            status = run(arguments)
        errors = capfd.readouterr().err
        shown = f"{command} {action.dest} {value[:60]!r}: status {status}, {errors[-300:]!r}"
        assert status in (0, 1, 2, 75), shown
        assert "Traceback" not in errors, shown
        assert "not enough memory" not in errors, shown
        if status == 2:
            last = errors.splitlines()[-1]
            assert last.startswith("ssr-mmseg"), shown
            assert last.isprintable(), shown
            assert len(last) < 2500, shown
        statuses.add(status)
    assert 2 in statuses, "no value is refused"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak) / (1 if sys.platform == "darwin" else 1024)
    assert grown < MEGABYTES


@pytest.mark.parametrize("command", [name for name in dict(options()) if name in VALID])
def test_the_valid_command_is_not_refused_for_its_values(here, capfd, command):
    """Otherwise the test above would only see the refusal of another option."""
    with confined(here):
        run([command, *VALID[command]])
    errors = capfd.readouterr().err
    assert ": error: " not in errors
    assert "expected a" not in errors


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("cost", "--genotype", PAPER, "--classes", "-5", "--size", "64x64"),
            "argument --classes: expected an integer from 2 to 256, found '-5'; choose another",
        ),
        (
            ("export", *TOWN, "--network", "a", "--out", "o", "--size", "100000x100000"),
            "argument --size: expected sides from 1 to 8192 pixels, found '100000x100000'; choose another size",
        ),
        (
            ("cost", "--genotype", PAPER, "--classes", "2", "--size", "8192x8192"),
            "argument --size: expected at most 16777216 pixels at once, found 8192x8192; choose a smaller size",
        ),
        (
            ("export", *TOWN, "--network", "a", "--out", "o", "--batch", "1000000000"),
            "argument --batch: expected an integer from 1 to 256, found '1000000000'; choose another",
        ),
        (
            ("cost", "--genotype", "/dev/zero", "--classes", "2", "--size", "64x64"),
            "argument --genotype: expected a file or folder, found '/dev/zero'; choose another path, because this is a "
            "device or a pipe",
        ),
        (
            ("latency-table", *TOWN, "--out", "/dev/null"),
            "argument --out: expected a path to write to, found '/dev/null'; choose one that is no device and not in "
            "/dev, /proc, /sys",
        ),
        (("status", "--config=--"), "argument --config: expected a value, found --; correct it"),
        (("status", "\x1b[2J"), r"unrecognized arguments: \x1b[2J"),
    ],
)
def test_the_line_says_what_is_expected(here, capfd, arguments, line):
    with confined(here):
        assert run(list(arguments)) == 2
    assert capfd.readouterr().err.splitlines()[-1].partition(": error: ")[2] == line


def test_an_export_is_bounded_by_its_batch_and_its_size_together(here, capfd):
    with confined(here):
        assert run([*command_line("export", argparse.Action(["--batch"], "batch"), "256"), "--size", "512x1024"]) == 2
    assert "at most 16777216 pixels at once, found 256 images of 512x1024" in capfd.readouterr().err


def test_more_threads_than_cores_are_refused(here, capfd, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with confined(here):
        assert run(["latency-table", *TOWN, "--classes", "3", "--out", "out/t.json", "--threads", "3"]) == 2
    assert (
        "latency.threads, or --threads: expected at most 2, the cores of this machine, found 3"
        in capfd.readouterr().err
    )
