"""Files that trainings start from: found while planning, and part of the identity of a training by their content."""

from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.start_weights import training_of
from ssr_mmseg.utils.errors import UserError

STREETS = {"type": "streets", "size": [64, 64]}
LEAF = f"_base_ = ['{paths.PROJECT}/config/mmseg/ssrnet_streets.py']\n"
REMOTE = "is not a file; download it, compare its SHA-256, and give its path"
RESULT = "results/{dataset}/seed{seed}/retrain/{network}/weights.pth"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complete(pattern: str | None = None, **changes) -> dict:
    """Return a configuration in which the networks of `town` start from `pattern`; `city` trains from scratch."""
    town = {**STREETS, "retrain": {"weights": pattern}} if pattern else STREETS
    return settings.complete({"datasets": {"town": town, "city": STREETS}, "networks": ["erfnet"], **changes})


def identity(config: dict, dataset: str = "town", network: str = "erfnet") -> str:
    return settings.stage_identity(config, "retrain", dataset, 0, network)


def of(dataset: str) -> str:
    return RESULT.replace("{dataset}", dataset)


@pytest.mark.parametrize("word", ["supernett", "Supernet", "super_net", "none"])
def test_a_misspelled_keyword_is_named(word):
    with pytest.raises(UserError) as caught:
        complete(word, networks=["searched", "erfnet"])
    assert f"retrain.weights: found {word}, expected supernet or the path of a file; write one" in str(caught.value)
    Path(word).write_bytes(b"")
    with pytest.raises(UserError, match="is one file for 2 networks"):
        complete(word, networks=["searched", "erfnet"])


# --- checkpoints in mmengine configs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "model = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='start.pth')))",
        "model = dict(backbone={'init_cfg': {'type': 'Pretrained', 'checkpoint': 'start.pth'}})",
        "start = 'start.pth'\nmodel = dict(backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=start)))",
        "model = dict(pretrained='start.pth')",
        "load_from = 'start.pth'",
        "load_from = '{{ fileDirname }}/start.pth'",
        "anything = ['start.pth']",
    ],
)
def test_replacing_a_checkpoint_reruns_the_training(text):
    Path("retrain.py").write_text(LEAF + text)
    Path("start.pth").write_bytes(b"one")
    config = complete(retrain={"config": "retrain.py"})
    before = identity(config), settings.stage_identity(config, "search", "town")
    assert identity(complete(retrain={"config": "retrain.py"})) == before[0]
    Path("start.pth").write_bytes(b"two")
    assert identity(config) != before[0]
    assert settings.stage_identity(config, "search", "town") == before[1]


def test_a_checkpoint_of_a_base_or_a_baseline_counts_too(folder):
    models = folder / "config/mmseg/_base_/models"
    models.mkdir(parents=True)
    (models / "parent.py").write_text("model = dict(backbone=dict(init_cfg=dict(checkpoint='start.pth')))")
    (models / "child.py").write_text("_base_ = ['./parent.py']")
    Path("start.pth").write_bytes(b"one")
    before = project_files.mmengine_digest(models / "child.py")
    config = complete(networks=["child"])
    trained = identity(config, network="child")
    Path("start.pth").write_bytes(b"two")
    assert project_files.mmengine_digest(models / "child.py") != before
    assert identity(config, network="child") != trained


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gone.pth", "the checkpoint gone.pth does not exist; download it (docs/pretrained.md), or correct its path"),
        ("https://example.org/a.pth", f"the checkpoint https://example.org/a.pth {REMOTE}"),
        ("open-mmlab://resnet18_v1c", f"the checkpoint open-mmlab://resnet18_v1c {REMOTE}"),
    ],
)
def test_a_missing_or_remote_checkpoint_is_found_while_planning(name, problem):
    Path("retrain.py").write_text(f"{LEAF}model = dict(backbone=dict(init_cfg=dict(checkpoint='{name}')))")
    with pytest.raises(UserError) as caught:
        complete(retrain={"config": "retrain.py"})
    assert str(caught.value) == f"retrain.py: {problem}"


def test_a_base_may_name_a_checkpoint_that_is_replaced():
    Path("base.py").write_text(f"{LEAF}load_from = 'https://example.org/a.pth'\n")
    Path("retrain.py").write_text("_base_ = ['./base.py']\nload_from = None\n")
    complete(retrain={"config": "retrain.py"})


# --- the key `retrain.weights` ---------------------------------------------------------------------------------------


def test_the_pattern_names_a_file_for_each_training():
    for network in ("erfnet", "fast_scnn"):
        Path(f"start-{network}-0.pth").write_bytes(b"one")
    config = complete("start-{network}-{seed}.pth", networks=["erfnet", "fast_scnn"])
    assert settings.start_weights(config, "town", 0, "erfnet") == Path("start-erfnet-0.pth")
    assert settings.start_weights(config, "city", 0, "erfnet") is None


def test_the_content_counts_and_not_the_path():
    for name, content in (("a.pth", b"one"), ("b.pth", b"one"), ("c.pth", b"two")):
        Path(name).write_bytes(content)
    assert identity(complete("a.pth")) == identity(complete("b.pth"))
    assert identity(complete("a.pth")) != identity(complete("c.pth"))
    assert identity(complete("a.pth")) != identity(complete())
    assert identity(complete("a.pth"), "city") == identity(complete(), "city")


def test_a_result_of_the_same_configuration_need_not_exist_and_counts_by_its_identity():
    config, changed = complete(of("city")), complete(of("city"), retrain={"epochs": 7})
    assert training_of(config, Path(of("city").format(seed=0, network="erfnet"))) == ("city", 0, "erfnet")
    before = identity(config)
    assert identity(changed) != before
    path = Path(of("city").format(seed=0, network="erfnet"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    assert identity(config) == before


@pytest.mark.parametrize(
    ("pattern", "changes", "problem"),
    [
        ("gone-{network}.pth", {}, "gone-erfnet.pth does not exist; train that network first, or correct the path"),
        (of("village"), {}, "results/village/seed0/retrain/erfnet/weights.pth does not exist; train that network"),
        ("{net}.pth", {}, "{net}.pth has an unknown field; known are {dataset}, {network}, {seed}"),
        ("a.pth", {"networks": ["erfnet", "fast_scnn"]}, "a.pth is one file for 2 networks; write {network} in place"),
        (of("town"), {}, "the training of results/town/seed0/retrain/erfnet/weights.pth would start from its own resu"),
    ],
)
def test_an_unusable_pattern_is_refused_while_planning(pattern, changes, problem):
    with pytest.raises(UserError) as caught:
        complete(pattern, **changes)
    assert "retrain.weights: " in str(caught.value)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_trainings_that_start_from_each_other_are_refused():
    circle = {
        "town": {**STREETS, "retrain": {"weights": of("city")}},
        "city": {**STREETS, "retrain": {"weights": of("town")}},
    }
    with pytest.raises(UserError, match="would start from its own result"):
        complete(datasets=circle)
