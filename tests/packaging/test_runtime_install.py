"""The wheel with the extra `runtime` in an empty environment, by the lock: no torch, and quick to start."""

import csv
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnx_files import brightest_channel, model
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from patience import PATIENCE

from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.extras import EXTRAS

ENVIRONMENT = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
ABSENT = sorted(module for module, extra in EXTRAS.items() if extra != "runtime")
START = """
import sys, time
begin = time.perf_counter()
import ssr_mmseg
net = ssr_mmseg.load(sys.argv[1])
print(time.perf_counter() - begin, *net.classes)
"""


def run(*command: object, folder: Path) -> subprocess.CompletedProcess:
    """Run a program outside of the checkout, without its variables."""
    result = subprocess.run(
        list(map(str, command)), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def needed(requirements: list[str], extra: str) -> set[str]:
    """Names of all packages that requirements lead to, by the metadata of the tests' environment."""
    packages: set[str] = set()
    waiting = [(text, extra) for text in requirements]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in packages:
            packages.add(name)
            waiting += [(inner, each) for inner in metadata.requires(name) or () for each in requirement.extras or {""}]
    return packages


def pins(names: set[str]) -> str:
    """The part of requirements.lock for some packages, with its hashes."""
    lines = (PROJECT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    entries = re.findall(r"^\S+==.*(?:\n    .*)*", "\n".join(line for line in lines if not line.startswith("#")), re.M)
    chosen = {canonicalize_name(entry.partition("==")[0]): entry for entry in entries}
    return "\n".join(chosen[name] for name in sorted(names)) + "\n"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Python of an environment that has nothing but the wheel and what it needs to run exported networks."""
    folder = tmp_path_factory.mktemp("runtime")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, PROJECT, folder=folder)
    (wheel,) = folder.glob("*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", folder=folder)
    python = folder / "env/bin/python"
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps")
    (described,) = metadata.Distribution.discover(name="ssr-mmseg", path=[str(wheel)])
    (folder / "runtime.lock").write_text(pins(needed(described.requires or [], "runtime")), encoding="utf-8")
    run(*install, "--require-hashes", "--requirement", "runtime.lock", folder=folder)
    run(*install, "--no-index", wheel, folder=folder)
    run(sys.executable, "-m", "pip", "--python", python, "check", folder=folder)
    return python


@pytest.fixture
def lab(tmp_path) -> Path:
    """A folder with an exported network and an image."""
    (tmp_path / "net.onnx").write_bytes(model(brightest_channel()).SerializeToString())
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((40, 60, 3), (200, 10, 10), np.uint8))  # blue
    return tmp_path


def test_nothing_that_searches_or_trains_is_there(python, lab):
    code = f"import importlib.util as u; print([name for name in {ABSENT!r} if u.find_spec(name)])"
    assert {"torch", "mmseg", "mmengine", "mmcv", "snakemake", "onnx"} <= set(ABSENT)
    assert run(python, "-c", code, folder=lab).stdout == "[]\n"
    place = run(python, "-c", "import ssr_mmseg; print(ssr_mmseg.__file__)", folder=lab).stdout
    assert Path(place.strip()).is_relative_to(python.parent.parent)


def test_a_file_is_loaded_within_a_second(python, lab):
    seconds = []
    for _ in range(5):
        time, *classes = run(python, "-c", START, "net.onnx", folder=lab).stdout.split()
        assert classes == ["c0", "c1", "c2"]
        seconds.append(float(time))
    assert min(seconds) < 1.0, seconds


def test_the_commands_of_a_robot_work(python, lab):
    command = python.parent / "ssr-mmseg"
    done = run(command, "predict", "net.onnx", "photo.png", "--out", "out", "--masks", "--legend", folder=lab)
    assert re.fullmatch(r"out: 1 frame, .* FPS\n", done.stdout)
    assert (cv2.imread(str(lab / "out/photo_mask.png"), cv2.IMREAD_UNCHANGED) == 2).all()
    assert cv2.imread(str(lab / "out/photo.png")).shape[0] > 40
    done = run(command, "bench", "net.onnx", "--runs", "20", "--threads", "1", folder=lab)
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert (row["network"], row["input_size"], row["backend"]) == ("n", "8x16", "onnxruntime")
    assert "usage: ssr-mmseg" in run(command, "--help", folder=lab).stdout


def test_what_is_missing_is_one_line(python, lab):
    for arguments, package in (
        (("export", "--dataset", "streets", "--network", "searched", "--out", "x.onnx"), "torch"),
        (("cost", "--genotype", "g.json", "--classes", "2", "--size", "64x64"), "mmengine"),
    ):
        call = subprocess.run(
            [python.parent / "ssr-mmseg", *arguments], cwd=lab, env=ENVIRONMENT, capture_output=True, text=True
        )
        assert call.returncode == 2
        line = f"needs {package}, which is not installed; run: pip install 'ssr-mmseg[train]'\n"
        assert call.stderr == f"ssr-mmseg: {arguments[0]} {line}"
