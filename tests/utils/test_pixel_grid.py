"""Nothing that resizes labels or logits shifts them, at odd and even factors.

Labels and images are ramps, whose values give the position at which a pixel was sampled. The nearest pixel may be at
most half a pixel away from a center.
"""

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config, ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.datasets.transforms import Resize
from mmseg.registry import MODELS, TRANSFORMS
from mmseg.structures import SegDataSample
from PIL import Image
from spaces import SEARCH
from torch import Tensor, nn

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.datasets.transforms import AlignedResize
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.models.decode_heads import SearchHead
from ssr_mmseg.settings import paths
from ssr_mmseg.training.data.batch_transforms import build_transforms
from ssr_mmseg.training.data.batch_transforms.geometry import compose, resample
from ssr_mmseg.utils.pixel_grid import center_indices, resize_labels

FACTORS = (2, 3, 4, 5, 7, 8)
RESIZES = ((96, 48), (96, 32), (96, 24), (90, 18), (91, 13), (60, 90), (48, 96), (32, 96), (77, 50), (50, 77))
INPUT = (64, 96)


def centers(source: int, target: int) -> np.ndarray:
    """Return the positions of the centers of `target` pixels among `source` pixels, whose centers are 0, 1, 2 …"""
    return (np.arange(target) + 0.5) * source / target - 0.5


@given(st.integers(1, 300), st.integers(1, 300))
def test_each_pixel_is_sampled_at_its_center(source, target):
    expected = [math.floor(Fraction(2 * i + 1, 2) * source / target) for i in range(target)]
    assert center_indices(source, target).tolist() == expected


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("smaller", [True, False])
def test_torch_and_pillow_sample_the_same_pixels(factor, smaller):
    labels = np.random.default_rng(factor).integers(0, 256, (6 * factor, 8 * factor), dtype=np.uint8)
    size = (6, 8) if smaller else (6 * factor**2, 8 * factor**2)
    resized = resize_labels(labels, size)
    by_torch = F.interpolate(torch.from_numpy(labels)[None, None].float(), size=size, mode="nearest-exact")
    np.testing.assert_array_equal(resized, by_torch[0, 0].numpy())
    np.testing.assert_array_equal(resized, np.asarray(Image.fromarray(labels).resize(size[::-1], Image.NEAREST)))


class Recorder(nn.Module):
    """A loss that records its labels."""

    loss_name = "loss_ce"

    def forward(self, logits: Tensor, labels: Tensor, **_) -> Tensor:
        self.labels = labels
        return logits.sum()


@pytest.mark.parametrize("factor", FACTORS)
def test_the_search_loss_samples_labels_at_the_centers_of_its_cells(factor):
    head = SearchHead(4, num_classes=2, align_corners=False)
    head.loss_decode = Recorder()
    rows, columns = 6, 9
    for axis, cells in enumerate((rows, columns)):
        ramp = torch.arange(cells * factor)
        labels = torch.stack(torch.meshgrid(torch.arange(rows * factor), torch.arange(columns * factor), indexing="ij"))
        sample = SegDataSample(gt_sem_seg=PixelData(data=labels[axis][None]))
        head.loss_by_feat(torch.zeros(1, 2, rows, columns), [sample])
        taken = head.loss_decode.labels[0].movedim(axis, 0)[:, 0].numpy()
        assert np.abs(taken - centers(len(ramp), cells)).max() <= 0.5


def shift_of_labels(transform: Callable, source: int, target: int) -> float:
    """Return the largest distance, in source pixels, between the samples of the resized label and of the image."""
    ramp = np.tile(np.arange(source), (source, 1))
    results = {
        "img": np.stack([ramp.astype(np.float32)] * 3, axis=-1),
        "gt_seg_map": ramp.astype(np.uint8),
        "seg_fields": ["gt_seg_map"],
    }
    resized = transform(scale=(target, target), keep_ratio=False).transform(results)
    assert resized["gt_seg_map"].shape == (target, target)
    assert resized["gt_seg_map"].dtype == np.uint8
    return float(np.abs(resized["img"][..., 0] - resized["gt_seg_map"]).max())


@pytest.mark.parametrize(("source", "target"), RESIZES)
def test_resized_labels_stay_aligned_with_the_image(source, target):
    assert shift_of_labels(AlignedResize, source, target) <= 0.5 + 1e-3


def test_random_resize_can_use_the_aligned_resize():
    """As docs/extending.md recommends for custom schedules."""
    init_default_scope("mmseg")

    def transform(scale: tuple[int, int], keep_ratio: bool):
        kind = {"type": "RandomResize", "resize_type": "AlignedResize"}
        return TRANSFORMS.build({**kind, "scale": scale, "ratio_range": (1.0, 1.0), "keep_ratio": keep_ratio})

    assert shift_of_labels(transform, 96, 24) <= 0.5 + 1e-3


def test_the_resize_of_mmseg_shifts_labels():
    """The reason for `AlignedResize`; if this fails, mmseg has changed and `AlignedResize` can be removed."""
    assert [shift_of_labels(Resize, 96, target) for target in (48, 32, 24)] == [0.5, 1.0, 1.5]


@pytest.mark.parametrize("factor", [0.5, 1 / 3, 0.75, 1.0, 2.0, 2.5, 3.0])
@pytest.mark.parametrize("flipped", [0.0, 1.0])
def test_augmented_labels_stay_aligned_with_the_image(factor, flipped):
    """Batched transforms are composed to one coordinate map, by which both images and labels are sampled."""
    size = (24, 36)
    ramps = np.stack(np.meshgrid(np.arange(size[0]), np.arange(size[1]), indexing="ij"))
    images = torch.from_numpy(np.stack([*ramps, ramps[0]])).float()[None]
    transforms = build_transforms(
        [
            {"type": "RandomFlip", "prob": flipped},
            {"type": "RandomShift", "pixels": 2},
            {"type": "RandomScaleCrop", "low": factor, "high": factor},
        ]
    )
    for seed in range(10):
        generator = np.random.default_rng(seed)
        maps = functools.reduce(compose, (transform.draw(generator, size) for transform in transforms))
        (a, b), (c, d) = maps.reshape(2, 2)
        places = np.stack(np.meshgrid(a * np.arange(size[0]) + b, c * np.arange(size[1]) + d, indexing="ij"))
        # Beyond the centers of its outermost pixels, an image blends with the fill value.
        inside = ((places >= 0) & (places <= np.array(size).reshape(2, 1, 1) - 1)).all(axis=0)
        assert inside.sum() > 20
        for axis, ramp in enumerate(ramps):
            image, labels = resample(images, torch.from_numpy(ramp)[None], torch.from_numpy(maps)[None].float())
            assert np.abs(image[0, axis].numpy() - places[axis])[inside].max() <= 0.02
            assert (labels[0] - image[0, axis])[inside].abs().max() <= 0.5 + 0.02


def ramp_logits(columns: int, rows: int, threshold: float) -> Tensor:
    """Return logits (1, 2, rows, columns) of two classes: class 1 if the center of a cell is right of the threshold."""
    place = (torch.arange(columns) + 0.5) / columns
    ramp = (place - threshold).expand(rows, columns)
    return torch.stack([torch.zeros_like(ramp), ramp])[None]


def left_of(threshold: float, columns: int) -> int:
    """Count the pixels, of `columns`, whose center is left of the threshold."""
    return int(((np.arange(columns) + 0.5) / columns < threshold).sum())


THRESHOLDS = [0.2 + 0.0617 * k for k in range(10)]  # away from the edges, where bilinear resizing repeats the last cell


def segmentor(backbone: dict, head: dict, stride: int) -> nn.Module:
    """Build a segmentor whose head returns the expected logits, set by `segmentor.threshold`."""
    init_default_scope("mmseg")
    model = MODELS.build(
        {
            "type": "EncoderDecoder",
            "backbone": backbone,
            "decode_head": {**head, "num_classes": 2, "align_corners": False},
            "data_preprocessor": {"type": "BatchPreProcessor", "mean": [0.0] * 3, "std": [1.0] * 3, "size": INPUT},
            "train_cfg": {},
            "test_cfg": ConfigDict(mode="whole"),
        }
    ).eval()
    model.decode_head.forward = lambda _: ramp_logits(INPUT[1] // stride, INPUT[0] // stride, model.threshold)
    return model


GENOTYPE = Genotype((Stage(20, (Block(1, 2, 18, 16),)), Stage(24, (Block(2, 1, 20, 22),))))
WIDTHS = [16, *(stage.blocks[-1].out for stage in GENOTYPE.stages)]
NETWORKS = {
    "supernet": ({"type": "SSRSupernet", **SEARCH}, {"type": "SearchHead", "in_channels": 28}, 8),
    "derived": (
        {"type": "SSRNet", "genotype": GENOTYPE.to_dict()},
        {"type": "AggregationHead", "in_channels": WIDTHS},
        4,
    ),
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", [(64, 96), (128, 192), (192, 288), (160, 240), (45, 67)], ids=str)
def test_evaluation_aligns_predictions_with_the_labels(network, size):
    """Logits are resized from the head's grid to the network's input, and then to the size of the labels."""
    model = segmentor(*NETWORKS[network])
    sample = SegDataSample(metainfo={"img_shape": INPUT, "ori_shape": size})
    for threshold in THRESHOLDS:
        model.threshold = threshold
        batch = {"inputs": [torch.zeros(3, *INPUT, dtype=torch.uint8)], "data_samples": [sample]}
        predicted = model.test_step(batch)[0].pred_sem_seg.data[0]
        assert predicted.shape == size
        assert int((predicted == 0).sum(dim=1).unique()) == left_of(threshold, size[1])


@pytest.mark.parametrize("head", ["labels", "logits"])
@pytest.mark.parametrize("size", [(64, 96), (128, 192), (192, 288), (32, 48), (160, 240), (45, 67)], ids=str)
def test_an_exported_network_aligns_classes_with_the_image(head, size):
    network = object.__new__(ExportedNetwork)
    network.batch = 1
    network.metadata = SimpleNamespace(head=head, size=INPUT, mean=[0.0] * 3, std=[1.0] * 3)
    image = np.zeros((*size, 3), np.uint8)
    for threshold in THRESHOLDS:
        logits = ramp_logits(INPUT[1], INPUT[0], threshold)[0].numpy()
        answer = logits.argmax(axis=0).astype(np.uint8) if head == "labels" else logits
        network.run = lambda _, answer=answer: answer
        labels = network.labels(image)
        border = np.unique((labels == 0).sum(axis=1))
        exact = 0 if head == "logits" else size[1] / INPUT[1] / 2  # half a pixel of the network's grid
        assert len(border) == 1
        assert abs(int(border[0]) - threshold * size[1]) <= 0.5 + exact
    if head == "labels":
        network.run = lambda _: np.tile(np.arange(INPUT[1], dtype=np.uint8), (INPUT[0], 1))
        assert np.abs(network.labels(image)[0] - centers(INPUT[1], size[1])).max() <= 0.5


@pytest.mark.parametrize("label_size", [(48, 64), (96, 128), (144, 192), (60, 100)], ids=str)
def test_class_weights_count_the_labels_of_the_search_loss(label_size, tmp_path, monkeypatch):
    """Compare the manifest with labels that pass through the training's loader and head, at any label size."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for index in range(3):
            for kind in ("images", "labels"):
                (tmp_path / "data" / split / kind).mkdir(parents=True, exist_ok=True)
            coarse = generator.choice([0, 1, 2, 255], (label_size[0] // 4, label_size[1] // 4)).astype(np.uint8)
            Image.fromarray(np.kron(coarse, np.ones((4, 4), np.uint8))).save(f"data/{split}/labels/{index}.png")
            Image.fromarray(np.zeros((*label_size, 3), np.uint8)).save(f"data/{split}/images/{index}.png")
    (tmp_path / "data/test").symlink_to(tmp_path / "data/val")
    dataset = {"type": "folder", "source": "data", "size": [48, 64], "classes": ["a", "b", "c"]}
    config = settings.complete({"device": "cpu", "datasets": {"own": dataset}})
    manifest = settings.manifest_path(config, "own")
    prepare(settings.for_dataset(config, "own")["dataset"], manifest.parent)
    experiment = Experiment(config, "own", 0)
    head = SearchHead(4, num_classes=3, align_corners=False)
    head.loss_decode = Recorder()
    seen = torch.zeros(256, dtype=torch.long)
    pipeline = [{"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}, {"type": "AlignedResize"}]
    config = {"train_dataloader": {"dataset": {"pipeline": [*pipeline, {"type": "PackSegInputs"}]}}}
    dataset = experiment.data.split("train", config, "train_dataloader")
    for batch in Runner.build_dataloader({"batch_size": 1, "sampler": {"type": "OrderedSampler"}, "dataset": dataset}):
        head.loss_by_feat(torch.zeros(1, 3, 6, 8), batch["data_samples"])
        seen += head.loss_decode.labels.flatten().bincount(minlength=256)
    assert seen[:3].tolist() == experiment.manifest["splits"]["train"]["pixels_eighth"]
    assert seen[:3].sum() > 60


@pytest.mark.parametrize("path", sorted((paths.PROJECT / "config/mmseg").rglob("*.py")), ids=lambda path: path.stem)
def test_no_network_uses_align_corners(path):
    """`align_corners=True` would resize logits on a different grid from that of images and labels."""

    def enabled(value, name: str = "") -> list:
        if isinstance(value, dict):
            return [hit for key, inner in value.items() for hit in enabled(inner, key)]
        if isinstance(value, list | tuple):
            return [hit for inner in value for hit in enabled(inner)]
        return [value] if name == "align_corners" and value else []

    assert not enabled(Config.fromfile(path).to_dict())
