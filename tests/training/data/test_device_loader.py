"""Batches made on the device depend on seed and position only, and have mmseg's format."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.models.data_preprocessor import SegDataPreProcessor
from PIL import Image
from torch import nn

from ssr_mmseg.experiment import register  # noqa: F401 - fills the registries
from ssr_mmseg.training.data.device_loader import ResidentLoader
from ssr_mmseg.training.data.loaders import build_loaders
from ssr_mmseg.training.data.preprocessor import BatchPreProcessor, mean_color
from ssr_mmseg.utils.errors import UserError

CPU = torch.device("cpu")
FULL = [
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "RandomScaleCrop", "low": 0.5, "high": 2.0},
    {"type": "ColorJitter"},
    {"type": "CutMix", "prob": 1.0},
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> dict:
    """Config of a dataset of seven images that need no resizing."""
    init_default_scope("mmseg")
    folder = tmp_path_factory.mktemp("seven")
    generator = np.random.default_rng(0)
    for kind, shape in (("images", (16, 24, 3)), ("labels", (16, 24))):
        (folder / kind).mkdir()
        for number in range(7):
            array = generator.integers(0, 3 if kind == "labels" else 256, shape).astype(np.uint8)
            Image.fromarray(array).save(folder / kind / f"{number}.png")
    return {
        "type": "FolderDataset",
        "metainfo": {"classes": ["a", "b", "c"], "palette": [[0, 0, 0], [9, 9, 9], [90, 90, 90]]},
        "data_root": str(folder),
        "data_prefix": {"img_path": "images", "seg_map_path": "labels"},
        "pipeline": [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}],
    }


def loader(dataset, augmentation=(), seed=3, indices=(0, 2, 3, 4, 6), batch_size=2) -> ResidentLoader:
    return ResidentLoader(dataset, batch_size, augmentation, seed, CPU, indices)


def epoch(data: ResidentLoader, number: int, first: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    data.sampler.start(number, first * data.batch_size)
    return [
        (batch["inputs"], torch.cat([sample.gt_sem_seg.data for sample in batch["data_samples"]])) for batch in data
    ]


def assert_equal(first, second) -> None:
    assert len(first) == len(second)
    for (images, labels), (other_images, other_labels) in zip(first, second, strict=True):
        assert torch.equal(images, other_images)
        assert torch.equal(labels, other_labels)


def test_without_augmentation_a_batch_has_the_datasets_samples(dataset):
    data = loader(dataset)
    positions = [10 + 1, 10 + 4]  # epoch 2, the second and the fifth of the chosen samples
    batch = data.batch(positions)
    for index, sample in enumerate((2, 6)):
        expected = data.source[sample]
        assert torch.equal(batch["inputs"][index], expected["inputs"].float())
        assert torch.equal(batch["data_samples"][index].gt_sem_seg.data, expected["data_samples"].gt_sem_seg.data)


def test_an_epoch_has_full_batches_only(dataset):
    data = loader(dataset)
    assert len(data) == 2
    assert [tuple(images.shape) for images, _ in epoch(data, 0)] == [(2, 3, 16, 24)] * 2


def test_a_position_gives_the_same_batch_wherever_the_training_started(dataset):
    whole = epoch(loader(dataset, FULL), 4)
    torch.manual_seed(1)
    np.random.seed(1)
    assert_equal(epoch(loader(dataset, FULL), 4, first=1), whole[1:])


def test_epochs_and_seeds_differ(dataset):
    first, later = epoch(loader(dataset, FULL), 0), epoch(loader(dataset, FULL), 1)
    other = epoch(loader(dataset, FULL, seed=4), 0)
    assert not any(torch.equal(a, b) for (a, _), (b, _) in zip(first, later, strict=True))
    assert not any(torch.equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))


def test_augmentation_of_a_sample_does_not_depend_on_its_batch(dataset):
    """Except CutMix, whose rectangle comes from another sample of the batch."""
    data = loader(dataset, FULL[:3])
    alone, together = data.batch([7]), data.batch([9, 7])
    torch.testing.assert_close(together["inputs"][1], alone["inputs"][0])


def test_labels_stay_labels(dataset):
    for _, labels in epoch(loader(dataset, FULL), 0):
        assert set(labels.unique().tolist()) <= {0, 1, 2, 255}


def test_the_config_decides_which_loader_is_built(dataset):
    model = nn.Linear(1, 1)
    model.data_preprocessor = BatchPreProcessor()
    runner = SimpleNamespace(seed=5, model=model)
    config = {"type": "ResidentLoader", "dataset": dataset, "batch_size": 3, "augmentation": FULL}
    (built,) = build_loaders(config, runner)
    assert isinstance(built, ResidentLoader)
    assert tuple(built.fill.tolist()) == pytest.approx(mean_color(model.data_preprocessor))
    plain = {"dataset": dataset, "batch_size": 3, "num_workers": 0, "sampler": {"type": "DefaultSampler"}}
    (built,) = build_loaders(plain, runner)
    assert isinstance(built, torch.utils.data.DataLoader)
    parts = build_loaders(config, runner, lambda images: ([0, 1, 2], [3, 4, 5, 6]))
    assert [part.indices for part in parts] == [[0, 1, 2], [3, 4, 5, 6]]
    assert parts[0].seed != parts[1].seed, "order and augmentation are drawn independently"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"type": "ResidentLoader", "workers": 2},
            "train_dataloader ResidentLoader: .*its arguments are: batch_size, a",
        ),
        (
            {"type": "ResidentLoder"},
            "unknown train_dataloader 'ResidentLoder'; did you mean ResidentLoader\\? choose one of: R",
        ),
        ({"batch_size": 8}, "batch_size is 8 but there are only 7 images to train on; lower it"),
    ],
)
def test_a_mistake_in_a_loader_is_one_line(dataset, change, message):
    model = nn.Linear(1, 1)
    model.data_preprocessor = BatchPreProcessor()
    with pytest.raises(UserError, match=message):
        build_loaders({"dataset": dataset, "batch_size": 3, **change}, SimpleNamespace(seed=5, model=model))


def test_a_search_on_one_image_has_none_for_a_half(dataset):
    model = nn.Linear(1, 1)
    model.data_preprocessor = BatchPreProcessor()
    with pytest.raises(UserError, match=r"no image for a half of the search, .* set search.split: whole"):
        build_loaders({"dataset": dataset, "batch_size": 3}, SimpleNamespace(seed=5, model=model), lambda _: ([], [0]))


def test_pixels_outside_an_image_have_the_color_that_becomes_0():
    preprocessor = BatchPreProcessor()
    pixel = torch.tensor(mean_color(preprocessor)).view(1, 3, 1, 1)
    assert bool((preprocessor({"inputs": pixel})["inputs"].abs() < 1e-5).all())


def test_a_whole_batch_is_normalized_like_single_images(dataset):
    options = {"mean": [120.0, 110.0, 100.0], "std": [50.0, 60.0, 70.0], "bgr_to_rgb": True, "size": (16, 24)}
    batch = loader(dataset).batch([0, 1])
    ours = BatchPreProcessor(**options)(batch, training=True)
    single = {"inputs": list(batch["inputs"]), "data_samples": batch["data_samples"]}
    theirs = SegDataPreProcessor(**options)(single, training=True)
    torch.testing.assert_close(ours["inputs"], theirs["inputs"])
    also = BatchPreProcessor(**options)(single, training=True)
    assert torch.equal(also["inputs"], theirs["inputs"])
