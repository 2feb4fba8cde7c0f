"""Images as users have them, of any content."""

import io

import numpy as np
import pytest
from PIL import Image

import ssr_mmseg
from ssr_mmseg.api.images import to_bgr

COLORS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)


def opened(picture: Image.Image, kind: str, **options) -> Image.Image:
    """Save a picture and open it, so that it is decoded when it is used."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return Image.open(buffer)


def test_a_pil_image_of_too_many_pixels_is_refused_undecoded(monkeypatch):
    huge = opened(Image.new("1", (8001, 8000)), "TIFF", compression="group4")
    monkeypatch.setattr(huge, "load", lambda: pytest.fail("it was decoded"))
    with pytest.raises(ssr_mmseg.UserError, match="the image has 8001x8000 pixels; at most 64000000 are allowed"):
        to_bgr(huge)


def test_modes_of_pil_images():
    picture = Image.fromarray(COLORS)
    np.testing.assert_array_equal(to_bgr(opened(picture, "PNG")), COLORS[:, :, ::-1])
    for mode in ("1", "L", "P", "RGBA", "CMYK", "I;16", "F"):
        image = to_bgr(picture.convert("L").convert(mode) if mode in ("I;16", "F") else picture.convert(mode))
        assert image.shape == (6, 8, 3)
        assert image.dtype == np.uint8


LONG_EXIF = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\1\x12" * 40


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", LONG_EXIF], ids=len)
def test_damaged_exif_does_not_matter(exif):
    image = opened(Image.fromarray(COLORS), "PNG", exif=exif)
    np.testing.assert_array_equal(to_bgr(image), COLORS[:, :, ::-1])


def test_what_pillow_cannot_decode_is_one_line():
    with pytest.raises(ssr_mmseg.UserError, match="the image cannot be decoded") as caught:
        to_bgr(opened(Image.fromarray(COLORS), "PNG", exif=b"\x1b[2J\n"))
    assert str(caught.value).isprintable()
