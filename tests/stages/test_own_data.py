"""The commands `inspect` and `import`, by their command line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from strangers_data import CLASSES, COLORS, Source, as_colors, as_palette

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.datasets.preparation.prepare import prepare

MAP = [f"--map={key}={name}" for key, name in zip(("#000000", "#804080", "#00008e"), CLASSES, strict=True)]
BY_COLOR = [*MAP, "--ignore", "#ffffff"]


def run(*words: object) -> int:
    """Run a command; return its exit status."""
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)


def configured(output: str) -> dict:
    """Return the configuration that a command printed."""
    text = output.split("say config/mydata.yaml:")[1].split("For a search")[0]
    return settings.complete(yaml.safe_load(text))


@pytest.fixture
def colored(tmp_path) -> Source:
    return Source(tmp_path / "photos").write(
        image="images/{stem}.jpg", label="masks/{stem}_mask.png", encode=as_colors, splits={"a": 12, "b": 12}
    )


def test_import_writes_what_prepare_reads_as_it_is(colored, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = sorted((path, path.read_bytes()) for path in colored.root.rglob("*.*"))
    assert run("import", "photos", "--out", "clean", *BY_COLOR, "--split", "val=0.25,test=0.25,seed=3,by=image") == 0
    assert sorted((path, path.read_bytes()) for path in colored.root.rglob("*.*")) == before
    config = configured(capsys.readouterr().out)
    entry = settings.for_dataset(config, "photos")["dataset"]
    assert entry["source"] == "clean"
    prepare(entry, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out/dataset.json")
    assert manifest["root"] == "clean", "read in place"
    assert manifest["classes"] == CLASSES
    assert manifest["palette"] == [list(color) for color in COLORS]
    for label in (tmp_path / "clean").rglob("labels/*.png"):
        truth = next(values for (_, stem), values in colored.truth.items() if stem == label.stem)
        assert np.array_equal(np.asarray(Image.open(label)), truth)
        image = next(label.parent.parent.glob(f"images/{label.stem}.*"))
        assert image.read_bytes() == (colored.root / "images" / image.name).read_bytes()
        assert not image.is_symlink()
    report = json.loads((tmp_path / "clean/import.json").read_text())
    assert report["images"] == 24
    assert report["label_map"]["#804080"] == "road"
    assert report["label_map"]["#ffffff"] == "ignored"
    rows = (tmp_path / "clean/split.csv").read_text().splitlines()
    assert rows[0] == "image,split,group"
    assert len(rows) == 25


def test_the_same_seed_draws_the_same_split(colored, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = []
    for out, seed in (("a", 3), ("b", 3), ("c", 4)):
        split = f"val=0.25,test=0.25,seed={seed},by=image"
        assert run("import", "photos", "--out", out, *BY_COLOR, "--split", split) == 0
        tables.append((tmp_path / out / "split.csv").read_text())
    assert tables[0] == tables[1] != tables[2]


def test_inspect_says_what_is_there_and_what_is_missing(colored, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("inspect", "photos", *BY_COLOR, "--sheet", "sheet.png") == 1
    output = capsys.readouterr().out
    assert "warning: the images are in no splits; add split: {val: 0.15, test: 0.15, seed: 0}" in output
    assert "layout: images and label pictures in folders" in output
    assert Image.open(tmp_path / "sheet.png").width > 600
    entry = settings.for_dataset(configured(output), "photos")["dataset"]
    assert entry["split"] == {"val": 0.15, "test": 0.15, "seed": 0, "by": "image"}, "two sequences are too few"
    prepare(entry, tmp_path / "out")  # the printed configuration reads the data
    assert read_manifest(tmp_path / "out/dataset.json")["classes"] == CLASSES


def test_inspect_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Source(tmp_path / "data").write(encode=as_palette)
    assert run("inspect", "data", "--classes", ",".join(CLASSES), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["classes"] == CLASSES
    assert {name: split["images"] for name, split in result["splits"].items()} == {"train": 6, "val": 5, "test": 5}
    assert result["warnings"] == []
    assert result["suggested"]["size"] == [40, 64]
    assert result["splits"]["train"]["class_images"] == [6, 6, 6]


def test_inspect_reads_an_entry_of_a_configuration(colored, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    entry = {"type": "folder", "source": "elsewhere", "size": [32, 64], "ignore": ["#ffffff"]}
    entry["label_map"] = {"#000000": "background", "#804080": "road", "#00008e": "car"}
    Path("my.yaml").write_text(yaml.safe_dump({"datasets": {"mine": entry}}))
    assert run("inspect", "photos", "--config", "my.yaml") == 1
    assert "datasets:\n  mine:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["inspect", "photos"],
            r"pictures with 4 colors .*\(on the command line: --map KEY=CLASS\)",
        ),
        (["inspect", "nothing"], "nothing does not exist; expected a folder of images and labels"),
        (["inspect", "photos/images/a_000_of_kind.jpg"], "is a file; expected a folder"),
        (["inspect", "photos", "--map", "255"], "--map: expected KEY=VALUE such as 255=water, found 255"),
        (["inspect", "photos", "--map", "0=a", "--map", "0=b"], "--map: 0 is given twice"),
        (["inspect", "photos", "--map", "0=a", "--label-map", "x.csv"], "expected --map or --label-map, found both"),
        (["inspect", "photos", "--label-map", "x.csv"], "could not read the class table .*x.csv"),
        (["inspect", "photos", "--split", "val=2"], "split.val: expected a number > 0 and < 1, .*found 2"),
        (["inspect", "photos", "--split", "vall=0.1"], "unknown key vall .* did you mean val?"),
        (["inspect", "photos", "--layout", "vok"], "unknown layout vok; expected one of: voc, coco, labelme, folders"),
        (["inspect", "photos", "--labels", "../x"], "layout names the folder ../x, expected one below the source"),
        (["import", "photos", "--out", "photos/clean", *BY_COLOR], "would be in its source photos, or around it"),
        (["import", "photos", "--out", "full", *BY_COLOR], "full exists and is not an empty folder"),
        (
            ["import", "photos", "--out", "clean", *BY_COLOR],
            r"24 images are in no splits.*line: --split val=0.15,test=0.15\)",
        ),
    ],
)
def test_mistakes_are_one_line(words, message, colored, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    assert run(*words) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1, error
    assert re.search(message, error), error
    assert sorted(tmp_path.rglob("*")) == before, "something was written"
