"""A training with every ingredient of CamVid's recipe, stopped and resumed, on the embedded scenes."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from spaces import SPACE

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.jobs import preemption
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.training.checkpoint.work_lock import release
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

DATASET = "town"
CONFIGS = paths.PROJECT / "config/mmseg"
RECIPE = f"""
_base_ = [{str(CONFIGS / "ssrnet_camvid.py")!r}]
model = dict(auxiliary_head=dict(type='FCNHead', in_channels=1, in_index=1, channels=8, num_convs=1, concat_input=False,
    num_classes=2, norm_cfg=dict(type='BN'), loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.4)))
optim_wrapper = dict(enabled=False)  # bfloat16 is many times slower on CPUs without units for it
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=1, by_epoch=True, convert_to_iter_based=True),
    dict(type='PolyLR', power=0.9, eta_min=0, begin=1, by_epoch=True, convert_to_iter_based=True)]
custom_hooks = [
    dict(type='HistoryHook'), dict(type='ChannelsLastHook'),
    dict(type='CompileHook'),  # does nothing without a GPU
    dict(type='AverageHook', decay=0.9),
    dict(type='ValidationHook', interval=2)]
"""
SEARCH = f"""
_base_ = [{str(CONFIGS / "supernet_camvid.py")!r}]
optim_wrapper = dict(weights=dict(enabled=False), architecture=dict(enabled=False))
"""
EXPERIMENT = {
    "device": "cpu",
    "networks": ["tiny"],
    "datasets": {
        DATASET: {"type": "streets", "size": [32, 64], "options": {"train": 8, "val": 2, "test": 2, "seed": 1}}
    },
    "search": {
        "space": {
            "stages": [{"blocks": 2, "channels": 20, "width_step": 2}, {"blocks": 2, "channels": 24, "width_step": 2}],
            "dilations": [1, 2],
            "resolutions": [1, 2],
            "width_options": 3,
        },
        "config": "search.py",
        "epochs": 2,
        "shrink_stages": 1,
        "shrink_epochs": 1,
        "min_steps": 1,
        "warmup": 0,
        "cost": {"type": "macs", "target": 0.6, "hold": None},
        "batch_size": 2,
        "threshold": 0.8,
    },
    "retrain": {"config": "recipe.py", "epochs": 2, "min_steps": 1, "batch_size": 4},
    "evaluate": {"frames": 0},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "recipe.py").write_text(RECIPE)
    (folder / "search.py").write_text(SEARCH)
    (folder / "config/genotypes").mkdir(parents=True)
    build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(0)), "tiny").write(
        folder / "config/genotypes/tiny.json"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = settings.complete(EXPERIMENT)
        prepare(settings.for_dataset(config, DATASET)["dataset"], Path(paths.MANIFEST.format(dataset=DATASET)).parent)
    return folder


@pytest.fixture
def workplace(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(preemption, "GRACE", 3600.0)  # otherwise the process of the tests would be ended

    def enter(name: str) -> dict:
        shutil.copytree(prepared, tmp_path / name)
        monkeypatch.chdir(tmp_path / name)
        return settings.complete(EXPERIMENT)

    return enter


def change_recipe(old: str, new: str) -> None:
    """Change the mmengine config in the working directory."""
    file = Path("recipe.py")
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def trained() -> tuple[dict, dict]:
    """Return weights and record of the finished training in the working directory."""
    names = {"dataset": DATASET, "seed": 0, "network": "tiny"}
    return load_weights(Path(paths.WEIGHTS.format(**names))), read_json(Path(paths.TRAINING.format(**names)))


def stopped(number: int, loop: type, stage: Callable, *arguments) -> None:
    """Run a stage that gets SIGTERM during iteration `number`, from 1, and check that it exits as resumable."""
    iterate, count = loop.run_iter, 0

    def run_iter(self, idx, data_batch):
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGTERM)
        iterate(self, idx, data_batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "run_iter", run_iter)
        with pytest.raises(SystemExit) as caught:
            stage(*arguments)
    assert caught.value.code == preemption.RESUMABLE
    for work in Path("results/work").iterdir():
        release(work)  # as the end of the process would do


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory) -> tuple[dict, dict]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    shutil.copytree(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        retrain(settings.complete(EXPERIMENT), DATASET, 0, "tiny")
        return trained()


@pytest.mark.parametrize("iteration", [3, 4], ids=["in an epoch", "at the last epoch's end"])
def test_a_stopped_training_ends_with_the_same_averaged_weights(undisturbed, workplace, iteration):
    config = workplace("stopped")
    stopped(iteration, ResumableTrainLoop, retrain, config, DATASET, 0, "tiny")
    retrain(config, DATASET, 0, "tiny")
    weights, record = trained()
    expected, expected_record = undisturbed
    assert set(weights) == set(expected)
    assert all(torch.equal(value, expected[name]) for name, value in weights.items())
    assert record["history"] == expected_record["history"]


def test_the_learning_curve_is_in_the_history_and_does_not_affect_the_training(undisturbed, workplace):
    weights, record = undisturbed
    assert ["miou_val" in epoch for epoch in record["history"]] == [False, True]
    assert 0 <= record["history"][1]["miou_val"] <= 100
    config = workplace("unwatched")
    change_recipe("interval=2", "interval=99")
    retrain(config, DATASET, 0, "tiny")
    assert all(torch.equal(value, weights[name]) for name, value in trained()[0].items())


def test_the_saved_weights_are_the_average(undisturbed, workplace):
    config = workplace("live")
    change_recipe("dict(type='AverageHook', decay=0.9),", "")
    retrain(config, DATASET, 0, "tiny")
    averaged, live = undisturbed[0], trained()[0]
    assert not torch.equal(averaged["backbone.stem.conv.weight"], live["backbone.stem.conv.weight"])


def test_a_search_with_batches_on_the_device_resumes_to_the_bit(workplace):
    states = []
    for stops in ((), (3,)):
        config = workplace(f"search{len(stops)}")
        for number in stops:
            stopped(number, SearchLoop, search, config, DATASET, 0)
        for stage in range(2):
            search(config, DATASET, 0, stage)
        states.append(load_state(paths.state_path({}, DATASET, 0, 1)))
    first, second = states
    assert all(torch.equal(value, second["model"][name]) for name, value in first["model"].items())
    first_history, second_history = (state["hooks"]["HistoryHook"]["records"] for state in states)
    assert first_history
    assert first_history == second_history


SCALE = {"type": "RandomScaleCrop", "low": 0.5, "high": 2.0}
STEPS = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "AlignedResize"}]
PACK = {"type": "PackSegInputs"}


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (
            {"_delete_": True, "batch_size": 4, "dataset": {"pipeline": [*STEPS, SCALE, PACK]}},
            "RandomScaleCrop transforms whole batches, not single images; move it to the augmentation of a "
            "train_dataloader of the type ResidentLoader",
        ),
        (
            {"_delete_": True, "batch_size": 4, "augmentation": [SCALE], "dataset": {"pipeline": [*STEPS, PACK]}},
            "train_dataloader.augmentation: only a loader of the type ResidentLoader has an augmentation",
        ),
    ],
    ids=["in a pipeline", "in another loader"],
)
def test_a_batch_transform_needs_the_resident_loader(workplace, loader, message):
    config = workplace("mistake")
    change_recipe("optim_wrapper", f"train_dataloader = {loader!r}\noptim_wrapper")
    with pytest.raises(UserError, match=message):
        retrain(config, DATASET, 0, "tiny")
