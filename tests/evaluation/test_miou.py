"""mIoU and accuracy, compared with counting by hand."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from ssr_mmseg.evaluation.miou import evaluate_model


class Oracle:
    """Replacement of a segmentor whose predictions come with the batch."""

    def eval(self) -> None:
        pass

    def test_step(self, batch: list) -> list:
        return batch


def sample(prediction: np.ndarray, label: np.ndarray) -> SegDataSample:
    result = SegDataSample()
    result.pred_sem_seg = PixelData(data=torch.from_numpy(prediction)[None])
    result.gt_sem_seg = PixelData(data=torch.from_numpy(label)[None])
    return result


def naive(pairs: list, classes: int) -> tuple[list, float]:
    """IoU per class and pixel accuracy by counting pixel by pixel."""
    hits, either, correct, all_pixels = [0] * classes, [0] * classes, 0, 0
    for prediction, label in pairs:
        for p, t in zip(prediction.ravel().tolist(), label.ravel().tolist(), strict=True):
            if t == 255:
                continue
            all_pixels += 1
            correct += p == t
            for c in range(classes):
                hits[c] += p == t == c
                either[c] += c in (p, t)
    return [100 * h / e if e else None for h, e in zip(hits, either, strict=True)], 100 * correct / all_pixels


def test_figures_equal_counting_by_hand():
    generator = np.random.default_rng(0)
    names = ["a", "b", "c", "never"]
    pairs = []
    for _ in range(5):
        label = generator.choice([0, 1, 2, 255], size=(6, 9))
        prediction = np.where(generator.random((6, 9)) < 0.6, label % 3, generator.integers(0, 3, (6, 9)))
        pairs.append((prediction.astype(np.int64), label.astype(np.int64)))
    seen = []
    loader = [[sample(*pair)] for pair in pairs]
    result = evaluate_model(Oracle(), loader, names, lambda number, sample: seen.append(number))
    iou, accuracy = naive(pairs, len(names))
    assert list(result["iou"].values()) == pytest.approx(iou, abs=1e-4)
    assert result["iou"]["never"] is None
    assert result["miou"] == pytest.approx(np.mean([value for value in iou if value is not None]), abs=1e-4)
    assert result["pixel_accuracy"] == pytest.approx(accuracy, abs=1e-4)
    assert result["images"] == 5
    assert seen == [0, 1, 2, 3, 4]
