"""Segmentation by a sliding window, compared with mmseg's `slide` mode and with whole images."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models import CrossEntropyLoss, EncoderDecoder, FCNHead, SegDataPreProcessor
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ssr_mmseg.evaluation.miou import evaluate_model
from ssr_mmseg.evaluation.sliding_window import SlidingWindowSegmentor, segment_by_windows
from ssr_mmseg.training.data.preprocessor import BatchPreProcessor

WINDOW = (24, 32)
SIZES = [(24, 32), (48, 64), (61, 75), (25, 32), (24, 90), (100, 33)]
SMALLER = [(20, 32), (24, 17), (11, 90), (70, 9), (5, 5)]


def random_network(classes: int, kernel: int = 5) -> nn.Module:
    torch.manual_seed(classes)
    return nn.Conv2d(3, classes, kernel, padding=kernel // 2)


def slide_of_mmseg(network: nn.Module, image: Tensor, window: tuple[int, int], overlap: int, classes: int) -> Tensor:
    """Labels (H, W) of mmseg's `slide` mode."""
    stand_in = SimpleNamespace(
        test_cfg=SimpleNamespace(stride=[side - overlap for side in window], crop_size=window),
        out_channels=classes,
        encode_decode=lambda crop, _: network(crop),
    )
    with torch.no_grad():
        return EncoderDecoder.slide_inference(stand_in, image[None], [{}])[0].argmax(dim=0)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("overlap", [0, 1, 8, 15, 23])
@pytest.mark.parametrize("classes", [2, 19])
def test_labels_equal_those_of_mmseg(size, overlap, classes):
    network, image = random_network(classes), torch.randn(3, *size)
    labels = segment_by_windows(network, image, WINDOW, overlap, classes)
    assert labels.dtype == torch.uint8
    assert torch.equal(labels.long(), slide_of_mmseg(network, image, WINDOW, overlap, classes))
    assert len(labels.unique()) > 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_labels_equal_those_of_mmseg_for_any_size(data):
    window = data.draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    size = tuple(data.draw(st.integers(side, 60)) for side in window)
    overlap = data.draw(st.integers(0, min(window) - 1))
    network, image = random_network(4, 3), torch.randn(3, *size)
    labels = segment_by_windows(network, image, window, overlap, 4)
    assert torch.equal(labels.long(), slide_of_mmseg(network, image, window, overlap, 4))


@pytest.mark.parametrize("size", [*SIZES, *SMALLER], ids=str)
@pytest.mark.parametrize("batch", [1, 4, 1000])
@pytest.mark.parametrize("overlap", [0, 7, 20])
def test_windows_leave_no_seams_where_logits_depend_on_the_pixel_alone(size, batch, overlap):
    image, weight = torch.randint(-50, 50, (3, *size)).float(), torch.randint(-9, 9, (6, 3)).float()
    shapes = []

    def logits_of(images: Tensor) -> Tensor:
        shapes.append(images.shape)
        return torch.einsum("kc,nchw->nkhw", weight, images)  # integers, whose means are exact

    labels = segment_by_windows(logits_of, image, WINDOW, overlap, 6, batch)
    assert torch.equal(labels.long(), torch.einsum("kc,chw->khw", weight, image).argmax(dim=0))
    assert all(shape[1:] == (3, *WINDOW) and shape[0] <= batch for shape in shapes)


@pytest.mark.parametrize("size", SMALLER, ids=str)
def test_smaller_images_are_padded_with_zeros_after_normalization(size):
    network, image = random_network(5), torch.randint(0, 256, (3, *size), dtype=torch.uint8)
    normalized = (image.float() - 120) / 60
    padded = torch.zeros(3, max(size[0], WINDOW[0]), max(size[1], WINDOW[1]))
    padded[:, : size[0], : size[1]] = normalized
    expected = slide_of_mmseg(network, padded, WINDOW, 8, 5)[: size[0], : size[1]]
    labels = segment_by_windows(network, image, WINDOW, 8, 5, normalize=lambda crops: (crops.float() - 120) / 60)
    assert torch.equal(labels.long(), expected)


class LargestTensor(TorchDispatchMode):
    """Record the bytes of the largest storage of a tensor that an operation returns."""

    bytes = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.bytes = max(self.bytes, leaf.untyped_storage().nbytes())
        return result


def test_no_tensor_but_the_image_and_the_labels_grows_with_the_height():
    window, classes = (32, 32), 10

    def largest(height: int) -> int:
        image = torch.zeros(3, height, 40, dtype=torch.uint8)  # 3 bytes per pixel; the band's 40 per pixel of its rows
        with LargestTensor() as mode:
            segment_by_windows(lambda x: x[:, :1].expand(-1, 10, -1, -1), image, window, 8, classes)
        return mode.bytes

    band = 4 * classes * 32 * 40
    assert largest(60) == band
    assert largest(400) == band
    assert largest(4000) == 3 * 4000 * 40 == 480_000  # slices of the image; the logits would take 6,400,000


def test_bad_arguments_are_refused():
    network, image = random_network(4), torch.zeros(3, 40, 40)
    with pytest.raises(ValueError, match="expected an overlap of 0 to 23, less than the window, found 24"):
        segment_by_windows(network, image, WINDOW, 24, 4)
    with pytest.raises(ValueError, match="found -1"):
        segment_by_windows(network, image, WINDOW, -1, 4)
    for classes, batch in ((1, 1), (256, 1), (4, 0)):
        with pytest.raises(ValueError, match="2 to 255 classes and a positive batch"):
            segment_by_windows(network, image, WINDOW, 8, classes, batch)
    with pytest.raises(ValueError, match=r"expected an image \(3, H, W\)"):
        segment_by_windows(network, image[None], WINDOW, 8, 4)
    with pytest.raises(ValueError, match=r"expected logits of shape \(1, 5, 24, 32\), found \(1, 4, 24, 32\)"):
        segment_by_windows(network, image, WINDOW, 8, 5)
    with pytest.raises(ValueError, match=r"expected logits of shape \(1, 4, 24, 32\), found \(1, 4, 12, 16\)"):
        segment_by_windows(lambda x: network(x)[:, :, ::2, ::2], image, WINDOW, 8, 4)


class Eighth(nn.Module):
    """A backbone whose only feature (N, 6, H/8, W/8) depends on its surroundings."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 11, stride=8, padding=5)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.conv(images).relu()]


def segmentor(preprocessor: dict, overlap: int, classes: int = 5) -> EncoderDecoder:
    """A segmentor of mmseg with random weights that itself slides windows."""
    torch.manual_seed(0)
    head = {"type": FCNHead, "in_channels": 6, "channels": 4, "num_convs": 1, "concat_input": False, "in_index": 0}
    loss = {"type": CrossEntropyLoss, "avg_non_ignore": True}  # the default warns
    stride = [side - overlap for side in WINDOW]
    options = {"mean": [120.0, 110, 100], "std": [60.0, 55, 50], "bgr_to_rgb": True}
    model = EncoderDecoder(
        backbone={"type": Eighth},
        decode_head={**head, "num_classes": classes, "align_corners": False, "loss_decode": loss},
        data_preprocessor={**options, **preprocessor},
        test_cfg=ConfigDict(mode="slide", crop_size=WINDOW, stride=stride),
    ).eval()
    for name, parameter in model.named_parameters():
        nn.init.constant_(parameter, 0) if name.endswith("conv_seg.bias") else nn.init.normal_(parameter)
    return model


def batch_of(size: tuple[int, int], seed: int, classes: int = 5) -> dict:
    generator = torch.Generator().manual_seed(seed)
    sample = SegDataSample(metainfo={"img_shape": size, "ori_shape": size, "img_path": "a.png"})
    sample.gt_sem_seg = PixelData(data=torch.randint(classes, (1, *size), generator=generator))
    image = torch.randint(0, 256, (3, *size), generator=generator, dtype=torch.uint8)
    return {"inputs": [image], "data_samples": [sample]}


FIXED = {"size": WINDOW, "test_cfg": {"size": WINDOW}}  # mmseg pads smaller images to the window
PREPROCESSORS = {
    "mmseg": {"type": SegDataPreProcessor, **FIXED},
    "ours": {"type": BatchPreProcessor, **FIXED},
    "padding": {"type": SegDataPreProcessor, "size": (64, 64), "test_cfg": {"size": (64, 64)}, "pad_val": 9},
    "divisor": {"type": BatchPreProcessor, "size_divisor": 48, "test_cfg": {"size_divisor": 48}},
    "training": {"type": BatchPreProcessor, "size": (64, 64)},
}


@pytest.mark.parametrize("preprocessor", PREPROCESSORS)
@pytest.mark.parametrize("size", [(61, 75), (24, 32), (11, 90), (12, 15)], ids=str)
def test_a_segmentor_equals_its_own_slide_mode(preprocessor, size):
    """Whatever its preprocessor pads to, the windows are those of an image padded to one window at least."""
    batch, same = batch_of(size, 1), batch_of(size, 1)
    expected = segmentor(PREPROCESSORS["mmseg"], 8).test_step(same)[0].pred_sem_seg.data
    sliding = SlidingWindowSegmentor(segmentor(PREPROCESSORS[preprocessor], 8), WINDOW, 8)
    result = sliding.test_step(batch)
    assert result == batch["data_samples"]
    assert result[0].pred_sem_seg.data.dtype == torch.uint8
    assert result[0].pred_sem_seg.shape == size
    assert torch.equal(result[0].pred_sem_seg.data.long(), expected)
    assert len(expected.unique()) > 1
    assert torch.equal(result[0].gt_sem_seg.data, same["data_samples"][0].gt_sem_seg.data)
    assert result[0].ori_shape == size
    assert result[0].img_path == "a.png"
    assert "seg_logits" not in result[0]


def test_evaluation_equals_that_of_the_slide_mode():
    names = ["a", "b", "c", "d", "e"]
    sizes = [(61, 75), (24, 32), (100, 33)]
    model = segmentor(PREPROCESSORS["mmseg"], 8)
    sliding = SlidingWindowSegmentor(model, WINDOW, 8).train()
    seen: list = []
    loader = [batch_of(size, seed) for seed, size in enumerate(sizes)]
    result = evaluate_model(sliding, loader, names, lambda *numbered: seen.append(numbered))
    assert [(number, sample.ori_shape) for number, sample in seen] == list(enumerate(sizes))
    assert not model.training
    assert result == evaluate_model(model, [batch_of(size, seed) for seed, size in enumerate(sizes)], names)


def test_a_batch_of_windows_gives_nearly_the_same_labels():
    batch, same = batch_of((100, 133), 3), batch_of((100, 133), 3)
    model = segmentor(PREPROCESSORS["mmseg"], 8)
    one = SlidingWindowSegmentor(model, WINDOW, 8).test_step(batch)[0].pred_sem_seg.data
    many = SlidingWindowSegmentor(model, WINDOW, 8, batch=5).test_step(same)[0].pred_sem_seg.data
    assert (one == many).float().mean() > 0.999


def test_resized_images_and_thresholds_are_refused():
    model = segmentor(PREPROCESSORS["mmseg"], 8)
    batch = batch_of((61, 75), 1)
    batch["data_samples"][0].set_metainfo({"ori_shape": (122, 150)})
    message = r"expected an image of its original size \(122, 150\), found \(61, 75\)"
    with pytest.raises(ValueError, match=message):
        SlidingWindowSegmentor(model, WINDOW, 8).test_step(batch)
    model.out_channels = 1
    with pytest.raises(ValueError, match="at least 2 output channels, found 1"):
        SlidingWindowSegmentor(model, WINDOW, 8)
