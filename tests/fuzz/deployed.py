"""Documents that `predict` reads, and their readers: photos, videos and exported networks."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime  # noqa: F401  imported before documents are watched, because it opens libraries
from avi_files import avi, jpeg
from hypothesis import strategies as st
from mutations import damaged, edited
from onnx import helper
from onnx_files import added, brightest_channel, metadata, model
from PIL import Image

from ssr_mmseg.deploy import onnx_check
from ssr_mmseg.deploy.image_header import image_size
from ssr_mmseg.deploy.images import read_image
from ssr_mmseg.deploy.onnx_metadata import KEY
from ssr_mmseg.deploy.onnx_model import ExportedNetwork
from ssr_mmseg.deploy.videos import Video
from ssr_mmseg.utils.image_limits import MAX_PIXELS
from ssr_mmseg.utils.plain_text import text_problem

SIDES = st.sampled_from([1, 16, 300, 8000, 2**16, 2**24, 2**31 - 1])


@st.composite
def _photos(draw: st.DrawFn) -> bytes:
    """Draw an image of any format that `predict` reads, perhaps with another size in the header."""
    kind = draw(st.sampled_from(["BMP", "TIFF", "WEBP", "JPEG", "PNG"]))
    modes = {"WEBP": ["RGB", "RGBA"], "JPEG": ["L", "RGB", "CMYK"]}
    mode = draw(st.sampled_from(modes.get(kind, ["1", "L", "P", "RGB"])))
    values = np.random.default_rng(draw(st.integers(0, 9))).integers(0, 256, (24, 32, 3), np.uint8)
    options = {"progressive": draw(st.booleans())} if kind == "JPEG" else {"lossless": draw(st.booleans())}
    buffer = io.BytesIO()
    Image.fromarray(values).convert(mode).save(buffer, kind, **options)
    data = bytearray(buffer.getvalue())
    if draw(st.booleans()):
        return bytes(data)
    order = draw(st.sampled_from(["little", "big"]))
    length = draw(st.sampled_from([2, 4]))
    old, side = (32).to_bytes(length, order), draw(SIDES)
    return bytes(data).replace(old, (side % 256**length).to_bytes(length, order), 1)


def _photo(document: bytes, _: Path) -> None:
    Path("photo.png").write_bytes(document)
    image = read_image("photo.png")
    size = image_size(document)
    assert size is not None
    assert image.size <= 3 * size[0] * size[1] <= 3 * MAX_PIXELS, "the header promised fewer pixels"


@st.composite
def _videos(draw: st.DrawFn) -> bytes:
    """Draw an AVI file whose frames and header contradict each other."""
    numbers = st.sampled_from([0, 1, 25, 1001, 2**31 - 1, 2**32 - 1])
    sizes = st.sampled_from([(16, 16), (24, 32), (1, 1)])
    frames = [jpeg(*draw(sizes)) for _ in range(draw(st.integers(0, 3)))]
    if draw(st.booleans()):
        frames.append(draw(damaged(st.just(jpeg(16, 16)))))
    size = draw(sizes | st.tuples(SIDES, SIDES))
    return avi(frames, size, draw(numbers), draw(numbers), draw(st.none() | numbers))


PLAYLISTS = st.sampled_from(
    [
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#EXTM3U\n#EXTINF:1,\nhttp://[::1]:9/a\n",
        b"v=0\nm=video 9\n",
    ]
)


def _video(document: bytes, _: Path) -> None:
    Path("film.mp4").write_bytes(document)
    with Video(Path("film.mp4")) as video:
        assert 0 < video.fps <= 1000
        assert 1 <= video.count <= len(document)
        for number, frame in enumerate(video.frames()):
            assert frame.dtype == np.uint8
            if number == 20:
                break


_SIZES = st.sampled_from([0, 1, 3, 1000, 10**9, 2**62, -1])
_GROWING = st.sampled_from(["Expand", "Tile", "ConstantOfShape", "Pad", "Reshape", "Gather", "Unsqueeze", "Slice"])
_FORBIDDEN = st.sampled_from(["Loop", "If", "Scan", "NonZero", "RandomNormal", "Optional", "StringSplit", "EPContext"])


@st.composite
def _networks(draw: st.DrawFn) -> bytes:
    """Draw an exported network with odd metadata, or with operators that ask for much."""
    nodes, weights = brightest_channel(), {}
    if draw(st.booleans()):
        shape = draw(st.lists(_SIZES, max_size=8))
        weights = {"shape": np.array(shape, np.int64), "one": np.float32(1)}
        operator = draw(_GROWING | _FORBIDDEN)
        inputs = {"ConstantOfShape": ["shape"], "Expand": ["one", "shape"], "Slice": ["images", "shape", "shape"]}
        domain = draw(st.sampled_from(["", "", "", "ai.onnx", "com.microsoft", "ai.onnx.ml"]))
        grown = helper.make_node(operator, inputs.get(operator, ["images", "shape"]), ["value"], domain=domain)
        nodes = [grown, *added("value")]
    made = model(nodes, weights)
    about = draw(edited(st.just(json.loads(metadata().to_json()))))
    helper.set_model_props(made, {KEY: json.dumps(about)})
    return made.SerializeToString()


def _network(document: bytes, _: Path) -> None:
    Path("net.onnx").write_bytes(document)
    network = ExportedNetwork(Path("net.onnx"), threads=1)
    graph = onnx.ModelProto.FromString(document).graph
    assert {node.op_type for node in graph.node} <= onnx_check.OPERATORS
    assert {node.domain for node in graph.node} <= set(onnx_check.DOMAINS)
    assert not any(map(text_problem, (network.metadata.network, *network.metadata.classes)))
    labels = network.labels(np.zeros((5, 7, 3), np.uint8))
    assert labels.shape == (5, 7)
    assert labels.max() < len(network.metadata.classes)


def _png() -> bytes:
    return cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()


# By name: documents, reader, and one document that must be accepted.
DEPLOYED = {
    "photos": (_photos() | damaged(_photos()), _photo, _png()),
    "videos": (_videos() | damaged(_videos()) | PLAYLISTS, _video, avi([jpeg(16, 16)], (16, 16))),
    "exported networks": (
        _networks() | damaged(_networks()),
        _network,
        model(brightest_channel()).SerializeToString(),
    ),
}
