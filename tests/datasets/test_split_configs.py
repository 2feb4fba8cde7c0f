import re
from pathlib import Path

import pytest
import yaml
from mmseg.registry import DATASETS

from ssr_mmseg.datasets import split_configs
from ssr_mmseg.datasets.split_configs import FOLDER, available_types
from ssr_mmseg.settings import complete, for_dataset
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.utils.colors import distinct_colors
from ssr_mmseg.utils.errors import UserError

OWN = {"name": "own", "type": "folder", "classes": ["road", "car"]}


def settings(kind: str) -> dict:
    return {"name": "any", "type": kind}


def test_mmseg_builds_every_type_of_the_project():
    assert {"bdd100k", "camvid", "cityscapes", "folder", "streets"} <= set(available_types())
    for kind in ("bdd100k", "camvid", "cityscapes", "streets"):
        for split, config in split_configs(settings(kind), Path("some/root")).items():
            if config is None:
                assert split == "test"
                assert kind in ("bdd100k", "cityscapes")
                continue
            dataset = DATASETS.build({**config, "lazy_init": True})
            assert dataset.data_prefix["img_path"].startswith("some/root/")
            assert (
                len(dataset.metainfo["classes"])
                == len(dataset.metainfo["palette"])
                == (11 if kind in ("camvid", "streets") else 19)
            )


def test_folder_gets_its_classes_palette_and_ignored_values(tmp_path):
    (tmp_path / "test" / "images").mkdir(parents=True)
    palette = [[1, 2, 3], [4, 5, 6]]
    splits = split_configs({**OWN, "palette": palette, "ignore": [7, 255]}, tmp_path)
    for split in ("train", "val", "test"):
        dataset = DATASETS.build({**splits[split], "lazy_init": True})
        assert list(dataset.metainfo["classes"]) == ["road", "car"]
        assert dataset.metainfo["palette"] == palette
        assert dataset.label_map == {7: 255}


def test_folder_without_colors_gets_distinct_ones(tmp_path):
    splits = split_configs(OWN, tmp_path)
    assert DATASETS.build({**splits["train"], "lazy_init": True}).metainfo["palette"] == distinct_colors(2)


def test_folder_needs_no_test_split(tmp_path):
    splits = split_configs(OWN, tmp_path)
    assert splits["test"] is None
    assert splits["train"]["ignore"] == [255]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"classes": None}, "needs class names"),
        ({"classes": ["road", "road"]}, "contains a name twice"),
        ({"palette": [[0, 0, 0]]}, "1 colors for 2 classes"),
        ({"palette": [[0, 0, 0], [0, 0, 256]]}, "palette contains .*256"),
        ({"palette": [[0, 0, 0], [0, 0]]}, r"palette contains \[0, 0\]"),
    ],
)
def test_invalid_folder_settings_are_refused(change, match, tmp_path):
    with pytest.raises(UserError, match=match):
        split_configs(OWN | change, tmp_path)


@pytest.mark.parametrize("key", ["classes", "label_map", "palette", "ignore", "split", "layout", "orientation"])
def test_classes_of_other_types_cannot_be_set(key):
    with pytest.raises(UserError, match=f"{key} cannot be set for type camvid"):
        split_configs(settings("camvid") | {key: [[1, 1, 1]]}, Path())


@pytest.mark.parametrize("kind", ["camvids", "../camvid", "prepare", "a.b", ""])
def test_the_error_for_an_unknown_type_lists_all_types(kind):
    with pytest.raises(
        UserError, match=r"unknown dataset type .*choose one of: bdd100k, camvid, cityscapes, folder, streets"
    ):
        split_configs(settings(kind), Path())


def write_type(text: str, tmp_path: Path, monkeypatch) -> dict:
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    return settings("mine")


def test_the_working_directory_can_add_any_dataset_of_mmseg(tmp_path, monkeypatch):
    text = "_base_ = ['mmseg::_base_/datasets/ade20k.py']\n"
    splits = split_configs(write_type(text, tmp_path, monkeypatch), Path("root"))
    for split, folder in (("train", "training"), ("val", "validation")):
        dataset = DATASETS.build({**splits[split], "lazy_init": True})
        assert len(dataset.metainfo["classes"]) == 150
        assert dataset.data_prefix["img_path"] == f"root/images/{folder}"
        assert not {"pipeline", "batch_size"} & set(splits[split])
    assert splits["test"] is None, "its test loader reads val"


def test_a_test_loader_of_its_own_folder_has_labels(tmp_path, monkeypatch):
    text = "_base_ = ['mmseg::_base_/datasets/ade20k.py']\n"
    text += "test_dataloader = dict(dataset=dict(data_prefix=dict(img_path='t', seg_map_path='u')))\n"
    splits = split_configs(write_type(text, tmp_path, monkeypatch), Path("root"))
    assert splits["test"]["data_prefix"] == {"img_path": "t", "seg_map_path": "u"}


CLASS = """
from mmseg.registry import DATASETS
from ssr_mmseg.datasets.base import PairedDataset

@DATASETS.register_module()
class ToyPairs(PairedDataset):
    METAINFO = {"classes": ("road", "car"), "palette": [[0, 0, 0], [1, 1, 1]]}
"""


def test_a_config_file_can_import_a_dataset_class(tmp_path, monkeypatch):
    (tmp_path / "toy_pairs.py").write_text(CLASS)
    monkeypatch.syspath_prepend(tmp_path)
    text = "custom_imports = dict(imports=['toy_pairs'])\n"
    text += "data = dict(type='ToyPairs', data_prefix=dict(img_path='i', seg_map_path='l'))\n"
    text += "train_dataloader = val_dataloader = dict(dataset=data)\n"
    splits = split_configs(write_type(text, tmp_path, monkeypatch), Path("root"))
    assert DATASETS.build({**splits["val"], "lazy_init": True}).metainfo["classes"] == ("road", "car")


GOOD = "dict(dataset=dict(type='A', data_prefix=dict()))"
MUST = "dataset must be a dict with type and data_prefix, found"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("train_dataloader = (", "not a valid mmengine config"),
        ("1 / 0", "not a valid mmengine config"),
        (f"train_dataloader = {GOOD}", rf"val_dataloader\.{MUST} None"),
        (f"train_dataloader = {GOOD}\nval_dataloader = None", rf"val_dataloader\.{MUST} None"),
        (f"train_dataloader = {GOOD}\nval_dataloader = {GOOD}\ntest_dataloader = 3", rf"test_dataloader\.{MUST} None"),
        ("train_dataloader = dict(dataset=dict(type='A'))", rf"train_dataloader\.{MUST} {{'type': 'A'}}"),
        ("train = val = dict(type='A', data_prefix=dict())", rf"train_dataloader\.{MUST} None"),
    ],
)
def test_invalid_config_files_are_refused(text, match, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=match):
        split_configs(write_type(text, tmp_path, monkeypatch), Path("root"))


DOCUMENTATION = (PROJECT / "docs" / "datasets.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", DOCUMENTATION, re.DOTALL))
def test_documented_examples_are_valid(text):
    config = complete(yaml.safe_load(text))
    for name in config["datasets"]:
        assert split_configs(for_dataset(config, name)["dataset"], Path("root"))["train"]["data_root"] == "root"
