"""Windows over large images, compared with those of mmseg and with counting pixel by pixel."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from mmseg.models import EncoderDecoder

from ssr_mmseg.utils.windows import LogitsBand, central_parts, window_starts, windows

SIDES = st.integers(1, 60)


@st.composite
def layouts(draw, smallest: int = 1, largest: int = 60, inside: bool = False) -> tuple:
    """Return the sizes of an image and of a window, and an overlap that is less than the window."""
    size = draw(st.tuples(st.integers(smallest, 60), st.integers(smallest, 60)))
    window = tuple(draw(st.integers(smallest, min(side, largest) if inside else largest)) for side in size)
    return size, window, draw(st.integers(0, min(window) - 1))


def windows_of_mmseg(size: tuple[int, int], window: tuple[int, int], overlap: int) -> list[tuple[int, int]]:
    """Top and left pixel of the windows of mmseg's `slide` mode, read from an image of coordinates."""
    seen = []

    def encode_decode(crop: torch.Tensor, _: list) -> torch.Tensor:
        seen.append((int(crop[0, 0, 0, 0]), int(crop[0, 1, 0, 0])))
        return crop[:, :1]

    stride = [side - overlap for side in window]
    stand_in = SimpleNamespace(
        test_cfg=SimpleNamespace(stride=stride, crop_size=window), out_channels=1, encode_decode=encode_decode
    )
    image = torch.stack(torch.meshgrid(*map(torch.arange, size), indexing="ij"))[None].float()
    EncoderDecoder.slide_inference(stand_in, image, [{}])
    return seen


@given(layouts())
@example(((10, 10), (10, 10), 3))
@example(((9, 4), (10, 10), 0))
def test_windows_are_those_of_mmseg(layout):
    size, window, overlap = layout
    assert windows(size, window, overlap) == windows_of_mmseg(size, window, overlap)


@given(SIDES, SIDES, st.data())
def test_starts_are_sorted_inside_and_leave_no_gap(side, window, data):
    stride = data.draw(st.integers(1, window))
    starts = window_starts(side, window, stride)
    assert starts[0] == 0
    steps = np.diff(starts)
    assert (steps > 0).all()
    assert (steps <= stride).all()
    if side > window:
        assert starts[-1] + window == side
    else:
        assert starts == [0]


@given(layouts())
def test_each_pixel_belongs_to_the_window_in_which_it_is_farthest_from_the_edges(layout):
    size, window, overlap = layout
    starts, parts = windows(size, window, overlap), central_parts(size, window, overlap)
    owner = np.full(size, -1)
    for number, part in enumerate(parts):
        assert (owner[part] == -1).all()
        owner[part] = number
    assert (owner >= 0).all()

    def context(axis: int) -> np.ndarray:
        """Pixels between each pixel of a side and the nearest edge inside the image, (windows, side); −1 outside."""
        place = np.arange(size[axis])
        rows = []
        for start in (pair[axis] for pair in starts):
            end = start + window[axis]
            before = place - start if start > 0 else np.where(place < 0, -1, 999)
            after = end - 1 - place if end < size[axis] else np.where(place >= end, -1, 999)
            rows.append(np.where((place < start) | (place >= end), -1, np.minimum(before, after)))
        return np.stack(rows)

    both = np.minimum(context(0)[:, :, None], context(1)[:, None, :])  # (windows, H, W)
    chosen = np.take_along_axis(both, owner[None], axis=0)[0]
    assert (chosen == both.max(axis=0)).all()
    assert (chosen >= overlap // 2).all()


@pytest.mark.parametrize("overlap", [-1, 8, 20])
def test_an_overlap_that_does_not_fit_the_window_is_refused(overlap):
    for function in (windows, central_parts):
        with pytest.raises(ValueError, match=f"expected an overlap of 0 to 7, less than the window, found {overlap}"):
            function((30, 30), (16, 8), overlap)


@pytest.mark.parametrize(("side", "window", "stride"), [(0, 4, 2), (9, 4, 0), (9, 4, 5), (9, 0, 0)])
def test_lengths_that_leave_gaps_are_refused(side, window, stride):
    with pytest.raises(ValueError, match="expected a side of at least 1 and a stride of 1 to"):
        window_starts(side, window, stride)


@given(layouts(smallest=2, largest=20, inside=True), st.integers(2, 4))
def test_a_band_averages_like_a_sum_over_the_whole_image(layout, classes):
    """Rows move within the band by any step, also by less than half of it.

    The logits are so close that thirds of different sums round to equal averages, of which the first class is taken.
    """
    size, window, overlap = layout
    generator = np.random.default_rng(0)
    band = LogitsBand(
        np.zeros((classes, window[0], size[1]), np.float32),
        np.zeros((window[0], size[1]), np.float32),
        np.full(size, 99, np.uint8),
    )
    sums, counts = np.zeros((classes, *size), np.float32), np.zeros(size, np.float32)
    for top, left in windows(size, window, overlap):
        logits = 1 + generator.integers(0, 4, (classes, *window)).astype(np.float32) * np.float32(2**-23)
        band.add(top, left, logits)
        covered = (slice(top, top + window[0]), slice(left, left + window[1]))
        sums[(slice(None), *covered)] += logits
        counts[covered] += 1
    np.testing.assert_array_equal(band.finish(), (sums / counts).argmax(axis=0))
