"""PIDNet's edges, which the preprocessor computes from the labels."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.datasets.transforms import GenerateEdge
from mmseg.structures import SegDataSample

from ssr_mmseg.training.data.preprocessor import BatchPreProcessor, EdgePreProcessor

SIZE = (24, 40)


def random_labels(number: int = 3) -> np.ndarray:
    """Return labels in rectangles of 4 pixels, some of them ignored, (number, H, W)."""
    coarse = np.random.default_rng(1).choice([0, 1, 2, 255], (number, SIZE[0] // 4, SIZE[1] // 4))
    return np.kron(coarse, np.ones((4, 4), int)).astype(np.uint8)


def batch(labels: np.ndarray, as_tensor: bool) -> dict:
    """Return a batch as of a ResidentLoader, or as of a DataLoader."""
    images = torch.randint(0, 256, (len(labels), 3, *SIZE), dtype=torch.uint8)
    samples = []
    for label in labels:
        sample = SegDataSample(metainfo={"img_shape": SIZE})
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(label.astype(np.int64)).unsqueeze(0))
        samples.append(sample)
    return {"inputs": images.float() if as_tensor else list(images), "data_samples": samples}


@pytest.mark.parametrize("as_tensor", [False, True], ids=["list of images", "tensor"])
@pytest.mark.parametrize("width", [3, 4])
def test_edges_equal_those_of_mmsegs_transform(as_tensor, width):
    labels = random_labels()
    data = EdgePreProcessor(edge_width=width, size=SIZE)(batch(labels, as_tensor), training=True)
    transform = GenerateEdge(width)
    for label, sample in zip(labels, data["data_samples"], strict=True):
        expected = transform({"img_shape": SIZE, "gt_seg_map": label.copy()})["gt_edge_map"]
        edges = sample.gt_edge_map.data
        assert edges.shape == (1, *SIZE)
        assert edges.dtype == sample.gt_sem_seg.data.dtype
        np.testing.assert_array_equal(edges[0].numpy(), expected)
        assert 0 < edges.float().mean() < 1
        np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), label)


@pytest.mark.parametrize("as_tensor", [False, True], ids=["list of images", "tensor"])
def test_images_are_prepared_as_for_other_networks(as_tensor):
    torch.manual_seed(0)
    data = batch(random_labels(), as_tensor)
    edge = EdgePreProcessor(size=SIZE)(data, training=True)["inputs"]
    assert torch.equal(edge, BatchPreProcessor(size=SIZE)(data, training=True)["inputs"])


def test_no_edges_are_computed_outside_of_training():
    data = EdgePreProcessor(size=SIZE)(batch(random_labels(), as_tensor=True), training=False)
    assert not any("gt_edge_map" in sample for sample in data["data_samples"])
