"""Data that changed after they were prepared are noticed before a stage uses them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_pair
from PIL import Image
from tiny_experiment import DATASET, EXPERIMENT, experiment

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.stages import doctor
from ssr_mmseg.stages.prepare import prepare
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json

MANIFEST = Path(f"results/{DATASET}/prepare/dataset.json")
DATA = MANIFEST.parent / "data"
AGAIN = f"prepare the data again: snakemake --cores all --force {MANIFEST}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(experiment(), DATASET)
    return folder


@pytest.fixture
def here(prepared, tmp_path, monkeypatch) -> Path:
    shutil.copytree(prepared, tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return tmp_path / "run"


def edit(path: Path) -> None:
    """Change one pixel; the file remains sound."""
    picture = Image.open(path)
    picture.load()
    picture.putpixel((0, 0), 1 - min(1, picture.getpixel((0, 0))) if picture.mode == "L" else (1, 2, 3))
    picture.save(path)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 20)


def swap(path: Path) -> None:
    """Exchange the content with that of another file."""
    shutil.copyfile(path.with_name("00001.png"), path)


IMAGE, LABEL = "train/images/00003.png", "train/labels/00003.png"


@pytest.mark.parametrize("name", [IMAGE, LABEL, "val/images/00000.png"])
@pytest.mark.parametrize("change", [edit, cut, swap, Path.unlink])
def test_a_stage_stops_before_it_uses_changed_data(here, name, change: Callable, capfd):
    change(DATA / name)
    write_json(Path("own.json"), EXPERIMENT)
    assert main(["search", "--config", "own.json", "--dataset", DATASET]) == 2
    (line,) = [line for line in capfd.readouterr().err.splitlines() if line.startswith("ssr-mmseg:")]
    count = 32 if name.startswith("train") else 4
    assert f"dataset town: 1 of {count} files changed since they were prepared (first {DATA / name}: " in line
    assert line.endswith(f"; restore them, or {AGAIN}")
    assert not list(Path("results").rglob("state.pth"))


def test_touched_and_copied_files_are_no_change(here):
    for path in DATA.rglob("*.png"):
        os.utime(path)
    dataset = Experiment(experiment(), DATASET, 0).evaluation_loader("val").dataset
    assert len(dataset) == 2


@pytest.mark.parametrize("gone", ["test", "test/images", "val/labels"])
def test_a_folder_that_is_gone_is_one_line(here, gone):
    """As on a disk that is not mounted."""
    (DATA / gone).rename(here / "elsewhere")
    run = Experiment(experiment(), DATASET, 0)
    with pytest.raises(UserError, match=rf"files changed since they were prepared \(first \S*{gone}/\S+: no such file"):
        run.evaluation_loader(gone.partition("/")[0])


@pytest.mark.parametrize("left", ["nothing", "empty folders"])
def test_without_a_record_missing_folders_are_one_line(here, left):
    """An earlier version wrote none."""
    write_json(MANIFEST, {key: value for key, value in read_json(MANIFEST).items() if key != "files"})
    shutil.rmtree(DATA / "val")
    if left == "empty folders":
        for kind in ("images", "labels"):
            (DATA / "val" / kind).mkdir(parents=True)
    run = Experiment(experiment(), DATASET, 0)
    with pytest.raises(UserError, match=r"folders of val are missing|val has 0 images, expected the 2 that were prep"):
        run.evaluation_loader("val")


def test_an_image_that_was_added_is_noticed(here):
    for kind in ("images", "labels"):
        shutil.copyfile(DATA / "val" / kind / "00000.png", DATA / "val" / kind / "new.png")
    with pytest.raises(
        UserError, match=f"val has 3 images, expected the 2 that were prepared; restore them, or {AGAIN}"
    ):
        Experiment(experiment(), DATASET, 0).evaluation_loader("val")


def test_a_stage_checks_only_the_splits_that_it_reads(here):
    (DATA / "test/images/00000.png").unlink()
    run = Experiment(experiment(), DATASET, 0)
    assert len(run.evaluation_loader("val")) == 2
    with pytest.raises(UserError, match="1 of 4 files changed"):
        run.evaluation_loader("test")


def test_a_file_that_changes_during_an_evaluation_is_named(here):
    loader = Experiment(experiment(), DATASET, 0).evaluation_loader("val")
    (DATA / "val/images/00001.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"image \S+val/images/00001\.png cannot be decoded; it was sound when"):
        list(loader)


def own_data(root: Path, **entry) -> dict:
    """Write a folder dataset without a test split, prepare it, and return its configuration."""
    for seed, split in enumerate(("train", "val")):
        for number in range(4):
            values = np.random.default_rng(number).integers(0, 2, (48, 80))
            place = root / split
            write_pair(place / f"images/{number}.png", place / f"labels/{number}.png", values, 10 * seed + number)
    data = {"type": "folder", "source": str(root), "size": [32, 64], "classes": ["a", "b"], **entry}
    config = settings.complete({**EXPERIMENT, "datasets": {DATASET: data}})
    prepare(config, DATASET)
    return config


def test_whole_images_of_tiles_are_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = own_data(tmp_path / "own", tiles={"overlap": 8})
    assert len(Experiment(config, DATASET, 0).evaluation_loader("val", whole=True)) == 4
    edit(tmp_path / "own/val/images/2.png")  # the copy links to it
    with pytest.raises(UserError, match=r"1 of \d+ files changed since .*val_whole/images/2\.png"):
        Experiment(config, DATASET, 0).evaluation_loader("val", whole=True)


def test_a_split_that_appears_later_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = own_data(tmp_path / "own")
    shutil.copytree(tmp_path / "own/val", tmp_path / "own/test")
    with pytest.raises(UserError, match="it had no test when it was prepared, and has one now; remove it, or prepare"):
        Experiment(config, DATASET, 0)


def test_a_split_that_disappears_is_not_skipped(tmp_path, monkeypatch):
    """The type `folder` has no test split where its folder does not exist."""
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(tmp_path / "own", ignore_errors=True)
    own_data(tmp_path / "own")
    shutil.copytree(tmp_path / "own/val", tmp_path / "own/test")
    config = own_data(tmp_path / "own")
    shutil.rmtree(tmp_path / "own/test")
    with pytest.raises(UserError, match="the folders of test are missing; restore them"):
        Experiment(config, DATASET, 0)


def test_doctor_reports_changed_data_as_something_to_fix(here):
    assert doctor.check_dataset(experiment(), DATASET).message.startswith("prepared: 16 train, 2 val, 2 test")
    edit(DATA / IMAGE)
    (DATA / "val/labels/00000.png").unlink()
    finding = doctor.check_dataset(experiment(), DATASET)
    assert (finding.level, finding.subject) == ("fail", f"data {DATASET}")
    assert finding.message.startswith(f"2 of 40 files changed since they were prepared (first {DATA / IMAGE}: ")
    assert finding.message.endswith(AGAIN)


def test_doctor_reads_all_data_on_demand(here, capsys):
    path = DATA / LABEL
    state, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    write_json(Path("own.json"), EXPERIMENT)
    assert main(["doctor", "--config", "own.json"]) == 0
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--config", "own.json", "--hash"])
    assert ended.value.code == 1
    assert f"1 of 40 files changed since they were prepared (first {path}: other content" in capsys.readouterr().out


def test_doctor_reports_a_lost_record(here):
    MANIFEST.with_name("files.csv").unlink()
    finding = doctor.check_dataset(experiment(), DATASET)
    assert (finding.level, finding.message.startswith("could not read ")) == ("fail", True)
