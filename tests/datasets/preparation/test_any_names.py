"""Whatever the names of classes and files are, `prepare` refuses them, or every later stage accepts them."""

import contextlib
import json
import os
import shutil
import string
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from dataset_files import write_pair
from hypothesis import HealthCheck, assume, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image
from tiny_experiment import EXPERIMENT

from ssr_mmseg import settings
from ssr_mmseg.datasets import read_manifest
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.jobs.result_warnings import result_warnings
from ssr_mmseg.report import readers
from ssr_mmseg.stages import doctor, own_data
from ssr_mmseg.stages.prepare import prepare
from ssr_mmseg.utils.errors import UserError

SIZE = (32, 64)
ODD = [
    "\n",
    "\r",
    "\x1b[2J",
    "\x00",
    "\x7f",
    "\x9b",
    "\u2028",
    "\udc80",
    "\ud800",
    "[/a]",
    ":car:",
    "=1+1",
    "é",
    "#",
    '"',
    ",",
]
NAMES = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(string.ascii_letters, max_size=3), st.text(max_size=3)), max_size=4
)
TEXT = NAMES.map("".join)
thorough = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def write_pairs(root: Path, name: str = "frame") -> None:
    """Write a train and a val split of two images each, whose labels have the classes 0 and 1."""
    for seed, split in enumerate(("train", "val")):
        for number in range(2):
            values = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % 2
            stem = f"{name}{number}"
            write_pair(
                root / split / f"images/{stem}.png", root / split / f"labels/{stem}.png", values, 10 * seed + number
            )


def configured(root: Path, names: list[str]) -> dict:
    write_pairs(root)
    return {"classes": names}


def mapped(root: Path, names: list[str]) -> dict:
    write_pairs(root)
    return {"label_map": {"0": names[0], "1": names[1]}}


def in_a_table(root: Path, names: list[str]) -> dict:
    write_pairs(root)
    lines = ["name,red,green,blue", *(f'"{name}",{number},0,0' for number, name in enumerate(names))]
    (root / "classes.csv").write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    return {}


def in_a_list(root: Path, names: list[str]) -> dict:
    write_pairs(root)
    (root / "classes.txt").write_bytes("\n".join(names).encode("utf-8", "surrogatepass"))
    return {}


def in_coco(root: Path, names: list[str]) -> dict:
    for number, split in enumerate(("train", "val")):
        write_pair(root / split / "a.png", root / "unused.png", np.zeros(SIZE), number)
        shapes = [[0, 0, 20, 0, 20, 20, 0, 20], [30, 0, 50, 0, 50, 20, 30, 20]]
        annotations = [
            {"id": k, "image_id": 1, "category_id": k, "segmentation": [shape]} for k, shape in enumerate(shapes)
        ]
        document = {
            "images": [{"id": 1, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}],
            "annotations": annotations,
            "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        }
        (root / split / "_annotations.coco.json").write_text(json.dumps(document))
    (root / "unused.png").unlink()
    return {}


def use(entry: dict, root: Path) -> None:
    """Look at data, prepare them, and read them as later stages do; raise errors of these only."""
    with contextlib.suppress(UserError):
        own_data.inspect_data(root, {"name": "mine", "size": list(SIZE), **entry}, None, as_json=False)
    try:
        data = {"type": "folder", "source": str(root), "size": list(SIZE), **entry}
        config = settings.complete({**EXPERIMENT, "datasets": {"mine": data}})
        prepare(config, "mine")
    except UserError:
        return
    read_manifest(settings.manifest_path(config, "mine"))
    assert readers.read_manifest(settings.manifest_path(config, "mine"))["images"] == {
        "train": len_of(root),
        "val": len_of(root),
    }
    run = Experiment(config, "mine", 0)
    for split in ("train", "val"):
        list(run.evaluation_loader(split))
    result_warnings(config)
    assert doctor.check_dataset(config, "mine").level != "fail"
    for sheet in (None, Path("sheet.png")):
        own_data.inspect_data(root, settings.for_dataset(config, "mine")["dataset"], sheet, as_json=sheet is not None)


def len_of(root: Path) -> int:
    return 1 if (root / "train/a.png").exists() else 2


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Callable[[], Path]:
    """Return a function that makes a new working directory and returns the folder for a source in it."""

    def make() -> Path:
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(tmp_path / "here", ignore_errors=True)
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        return Path("own")

    return make


@pytest.mark.parametrize("write", [configured, mapped, in_a_table, in_a_list, in_coco])
@thorough
@given(names=st.tuples(TEXT, TEXT).map(list))
@example(names=["road", "ca\nr"])
@example(names=["road", "car\x1b[2J"])
@example(names=["road", "road"])
@example(names=["road ", "road"])
@example(names=["[/road]", ":car:"])
@example(names=["", "car"])
@example(names=["road", "\ud800"])
@example(names=["x" * 1001, "car"])
@example(names=["x" * 1000, "y" * 1000])
def test_names_of_classes(fresh, capsys, write, names):
    use(write(fresh(), names), Path("own"))
    capsys.readouterr()


def is_a_name(text: str) -> bool:
    """Return whether a text can be part of a file's name here."""
    try:
        return "/" not in text and "\0" not in text and len(os.fsencode(text)) < 200
    except UnicodeEncodeError:
        return False


@thorough
@given(name=TEXT)
@example(name="line\nbreak")
@example(name="\x1b[2J")
@example(name="\udcff")
@example(name="é[/b]")
def test_names_of_files(fresh, capsys, name):
    assume(is_a_name(name))
    write_pairs(fresh(), name)
    use({"classes": ["a", "b"]}, Path("own"))
    capsys.readouterr()


@thorough
@given(name=TEXT)
@example(name="line\nbreak")
@example(name="\udcff")
@example(name="[/b]")
def test_names_of_folders(fresh, capsys, name):
    assume(is_a_name(name) and name.strip(".") and not name.startswith("~"))
    root = fresh() / name
    write_pairs(root)
    use({"classes": ["a", "b"]}, root)
    capsys.readouterr()


TYPE = """\
{split}_dataloader = dict(dataset=dict(type='BaseSegDataset', img_suffix='.png', metainfo=dict(classes={classes!r}),
                                       data_prefix=dict(img_path='{split}/images', seg_map_path='{split}/labels')))
"""


@thorough
@given(name=TEXT, classes=st.tuples(TEXT, TEXT).map(list))
@example(name="line\nbreak", classes=["a", "b"])
@example(name="\udcff", classes=["a", "b"])
@example(name="a", classes=["a\n", "b"])
@example(name="a", classes=["a", "a"])
def test_names_in_a_dataset_of_mmseg(fresh, capsys, name, classes):
    assume(is_a_name(name) and not any(map(surrogates, classes)))
    write_pairs(fresh(), name)
    types = Path("config/mmseg/_base_/datasets")
    types.mkdir(parents=True)
    text = "".join(TYPE.format(split=split, classes=classes) for split in ("train", "val"))
    (types / "toy.py").write_text(text, encoding="utf-8")
    data = {"type": "toy", "source": "own", "size": list(SIZE)}
    config = settings.complete({**EXPERIMENT, "datasets": {"mine": data}})
    try:
        prepare(config, "mine")
    except UserError:
        return
    list(Experiment(config, "mine", 0).evaluation_loader("val"))
    capsys.readouterr()


def surrogates(text: str) -> bool:
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def test_long_names_do_not_make_a_manifest_that_nobody_reads(fresh):
    """Warnings and notes quote names, and have a length that they must not exceed."""
    root = fresh()
    write_pairs(root, "x" * 230)
    picture = Image.open(root / "train/images" / f"{'x' * 230}0.png")
    for number in range(2):
        picture.save(root / "val/images" / f"{'x' * 230}{number}.png")
    use({"classes": ["a" * 900, "b" * 900, "c" * 900, "d" * 900]}, root)
    assert Path("results/mine/prepare/dataset.json").is_file()
