"""Every baseline trains through the workflow's model config and train step, also on images with unlabeled pixels."""

from pathlib import Path

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from ssr_mmseg import settings
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.datasets.transforms import IGNORED
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.models.losses import HardPixelCrossEntropy
from ssr_mmseg.settings import project_files
from ssr_mmseg.training.step import train_step

DATASET, SIZE, CLASSES = "town", (64, 128), 11
BASELINES = [name for name in project_files.network_names() if project_files.network_kind(name) == "baseline"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("baselines")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = complete("ssrnet_streets")
        prepare(settings.for_dataset(config, DATASET)["dataset"], settings.manifest_path(config, DATASET).parent)
    return folder


def complete(mmseg_config: str) -> dict:
    dataset = {"type": "streets", "size": list(SIZE), "options": {"train": 4, "val": 1, "test": 1, "seed": 0}}
    retrain = {"config": f"config/mmseg/{mmseg_config}.py", "epochs": 100, "batch_size": 2}
    return settings.complete(
        {"device": "cpu", "datasets": {DATASET: dataset}, "networks": BASELINES, "retrain": retrain}
    )


def random_batch(as_tensor: bool) -> dict:
    """Return two random images with labels of which a third are ignored, as of a DataLoader or of a ResidentLoader."""
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8)
    labels = (
        torch.randint(0, CLASSES, (2, 1, SIZE[0] // 8, SIZE[1] // 8)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    )
    labels[:, :, : SIZE[0] // 3] = IGNORED
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo={"img_shape": SIZE})
        sample.gt_sem_seg = PixelData(data=label)
        samples.append(sample)
    return {"inputs": images.float() if as_tensor else list(images), "data_samples": samples}


@pytest.mark.parametrize("mmseg_config", ["ssrnet_streets", "ssrnet_camvid"])
@pytest.mark.parametrize("network", BASELINES)
def test_a_baseline_learns_from_images_with_ignored_pixels(folder, monkeypatch, network, mmseg_config):
    """The first config is mmseg's cross-entropy on files, the second ours on hard pixels of data on the device."""
    monkeypatch.chdir(folder)
    experiment = Experiment(complete(mmseg_config), DATASET, 0)
    model = experiment.build(experiment.network(network, None)).train()
    before = {name: value.clone() for name, value in model.named_parameters()}
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=1e-3))
    terms = train_step(model, random_batch(as_tensor=mmseg_config == "ssrnet_camvid"), wrapper)
    assert all(bool(torch.as_tensor(value).isfinite().all()) for value in terms.values())
    assert float(terms["loss"]) > 0
    changed = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert any("decode_head" in name for name in changed)
    assert any("backbone" in name for name in changed)
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())


@pytest.mark.parametrize("network", BASELINES)
def test_the_recipes_loss_reaches_every_cross_entropy_of_a_baseline(folder, monkeypatch, network):
    monkeypatch.chdir(folder)
    experiment = Experiment(complete("ssrnet_camvid"), DATASET, 0)
    model = experiment.build(experiment.network(network, None))
    losses = [
        loss
        for module in model.modules()
        if hasattr(module, "loss_decode")
        for loss in (
            module.loss_decode if isinstance(module.loss_decode, torch.nn.ModuleList) else [module.loss_decode]
        )
        if type(loss).__name__ != "BoundaryLoss"
    ]
    assert losses
    assert all(isinstance(loss, HardPixelCrossEntropy) for loss in losses)
    assert {(loss.label_smoothing, loss.keep, loss.threshold) for loss in losses} == {(0.05, 0.25, 0.7)}
    assert all(len(loss.class_weight) == CLASSES for loss in losses)
