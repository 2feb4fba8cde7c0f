import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ssr_mmseg.datasets.importing.orientation import is_raw, turn_upright, upright_size
from ssr_mmseg.utils.errors import UserError

FILES = (Path("a.jpg"), Path("a.png"))


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 6))
def test_turning_equals_pillow(orientation, height, width):
    pixels = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(buffer, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    assert np.array_equal(turn_upright(pixels, orientation), expected)
    assert upright_size((height, width), orientation) == expected.shape


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_the_size_tells_what_a_label_was_drawn_on(orientation):
    for wanted in ("auto", "raw", "upright"):
        assert is_raw(*FILES, (4, 6), (4, 6), orientation, wanted)
        assert not is_raw(*FILES, (4, 6), (6, 4), orientation, wanted)


@pytest.mark.parametrize(("size", "orientation"), [((4, 6), 2), ((4, 6), 3), ((4, 6), 4), ((5, 5), 6), ((5, 5), 8)])
def test_otherwise_the_user_is_asked(size, orientation):
    with pytest.raises(
        UserError, match=r"a.jpg is .* by its EXIF orientation \d, .*set orientation: raw or orientation"
    ):
        is_raw(*FILES, size, size, orientation, "auto")
    assert is_raw(*FILES, size, size, orientation, "raw")
    assert not is_raw(*FILES, size, size, orientation, "upright")


def test_sizes_that_fit_neither_way_are_refused():
    with pytest.raises(UserError, match=r"a.jpg is 6x4 \(4x6 before EXIF turns it\) but its label a.png is 4x5"):
        is_raw(*FILES, (4, 6), (4, 5), 6, "raw")
