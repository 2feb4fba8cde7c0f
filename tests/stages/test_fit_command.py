"""The command `fit` on a few made-up images: what it writes, asks, refuses, and ends with."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from strangers_data import COLORS, as_colors, ids, picture

from ssr_mmseg.cli import main
from ssr_mmseg.fit import command, lengths, plan
from ssr_mmseg.fit.spaces import Space
from ssr_mmseg.settings import paths
from ssr_mmseg.utils.files import read_json

TINY = Space(
    "small",
    {
        "stages": [{"blocks": 1, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 24, "width_step": 2}],
        "dilations": [1],
        "resolutions": [1, 2],
        "width_options": 2,
    },
)
IMAGES = 24
SIZE = (96, 128)
NAMES = {f"#{bytes(color).hex()}": name for color, name in zip(COLORS, ("ground", "road", "car"), strict=True)}
MAP = [word for color, name in NAMES.items() for word in ("--map", f"{color}={name}")]
OPTIONS = ["--ms", "1000", "--cores", "2", *MAP, "--split", "val=0.2,test=0.2,by=image"]


@pytest.fixture
def brief(monkeypatch) -> None:
    """Let plans be for a tiny space and a few steps."""
    monkeypatch.setattr(command, "read_spaces", lambda: [TINY])
    for module in (lengths, plan):
        monkeypatch.setattr(module, "LEAST", (4, 4))
        monkeypatch.setattr(module, "GOOD", (8, 8))
    monkeypatch.setattr(lengths, "FULL", (8, 8))
    monkeypatch.setattr(lengths, "MOST_SEEDS", 1)


@pytest.fixture
def garden(tmp_path, monkeypatch) -> Path:
    """A working folder with a folder of images and color masks in it."""
    monkeypatch.chdir(tmp_path)
    for number in range(IMAGES):
        image, mask = Image.fromarray(picture(number, SIZE)), as_colors(ids(number, SIZE, ignored=False))
        for folder, content in (("images", image), ("masks", mask)):
            path = tmp_path / "garden" / folder / f"{chr(97 + number)}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            content.save(path)
    return tmp_path


def fit(*options: str, data: str = "garden") -> int:
    return main(["fit", data, *OPTIONS, *options])


def written() -> dict:
    return yaml.safe_load(Path("config/garden.yaml").read_text())


def test_a_dry_run_writes_a_configuration_and_nothing_else(garden, brief, capsys):
    assert fit("--dry-run", "--hours", "9") == 0
    assert {path.name for path in garden.iterdir()} == {"garden", "config"}
    config = written()
    assert config["datasets"]["garden"]["source"] == "garden"
    assert config["datasets"]["garden"]["label_map"] == NAMES
    assert config["recommend"]["latency_ms"] == 1000
    printed = capsys.readouterr().out
    assert "3 classes" in printed
    assert "snakemake --cores 2 results/garden/recommended/card.md" in printed


def test_the_same_command_goes_on_and_another_one_is_refused(garden, brief, capsys):
    fit("--dry-run")
    before = Path("config/garden.yaml").read_bytes()
    assert fit("--dry-run") == 0
    assert "was written by this command before" in capsys.readouterr().err
    assert fit("--dry-run", "--hours", "3") == 2
    assert "exists already, and was not written by this command; give another --name" in capsys.readouterr().err
    assert Path("config/garden.yaml").read_bytes() == before


def test_it_asks_before_it_runs(garden, brief, monkeypatch, capsys):
    monkeypatch.setattr(command, "run", lambda _: pytest.fail("it ran"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert fit() == 2
    assert "add --yes" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert fit() == 0
    assert "not run; later: snakemake" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--ms", "0.0001"], "the fastest network takes about"),
        (["--hours", "0.001"], "even the shortest run takes about"),
        (["--size", "97x128"], "97x128"),
        (["--backend", "tensorrt"], "tensorrt"),
        (["--rival", "missing.onnx"], "missing.onnx"),
        (["--name", "logs"], "logs"),
        (["--license", "\x1b[31m"], "control character"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(garden, brief, capsys, options, message):
    try:
        status = fit("--dry-run", *options)
    except SystemExit as stop:
        status = stop.code
    assert status == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in last
    assert "Traceback" not in last
    assert not Path("config").exists()


def test_data_that_cannot_be_used_are_refused_as_by_inspect(garden, brief, capsys):
    (garden / "garden/masks/a.png").unlink()
    assert fit("--dry-run") == 2
    assert "a" in capsys.readouterr().err.splitlines()[-1]


def test_from_images_to_a_recommended_network(garden, brief, capfd):
    assert fit("--yes", "--hours", "9", "--license", "CC0") == 0
    printed = capfd.readouterr().out
    folder = Path("results/garden/recommended")
    record = read_json(folder / "recommendation.json")
    assert record["recommended"] in written()["networks"]
    assert f"recommended: {record['recommended']}" in printed
    assert (folder / "model.onnx").is_file()
    assert "license: CC0" in (folder / "card.md").read_text()
    assert Path("results/garden/report/index.html").is_file()
    predict = ["predict", folder / "model.onnx", "garden/images/a.png", "--out", "overlays"]
    environment = {**os.environ, "PYTHONPATH": str(paths.PROJECT)}
    overlay = subprocess.run([sys.executable, "-m", "ssr_mmseg", *predict], env=environment)
    assert overlay.returncode == 0
    assert Path("overlays/a.png").is_file()
