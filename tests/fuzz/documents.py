"""Small valid documents of every kind that the package reads from disk."""

import io
import json
import pickletools
import tarfile
import zipfile
import zlib
from typing import Any

import numpy as np
import torch
from dataset_files import split_entry
from hypothesis import strategies as st
from malicious import zipped
from mmengine.logging import HistoryBuffer
from mutations import ODD, damaged, edited
from pickles import archive, entry, stored, tensor, text
from PIL import Image, PngImagePlugin
from spaces import SPACE

from ssr_mmseg.architecture.genotype import build_genotype, random_choice
from ssr_mmseg.training.checkpoint.named_objects import NAMES as CALLABLES

GENOTYPES = st.integers(0, 50).map(
    lambda seed: build_genotype(SPACE, random_choice(SPACE, np.random.default_rng(seed)), "drawn").to_dict()
)

ENTRIES = {
    "town": {"type": "streets", "size": [64, 128], "options": {"train": 2, "val": 1, "test": 1, "seed": 0}},
    "yard": {"type": "folder", "source": "data/yard", "size": [64, 64], "classes": ["a", "b"], "ignore": [9, 255]},
    "city": {"type": "cityscapes", "source": "https://a.org/b.zip", "size": [64, 64], "retrain": {"epochs": 3}},
}
SPACE_SETTINGS = {
    "stages": [{"blocks": 2, "channels": 32, "width_step": 2}, {"blocks": 3, "channels": 64, "width_step": 4}],
    "dilations": [1, 2],
    "resolutions": [1, 2],
    "width_options": 3,
}
ABLATION = {
    "dataset": "town",
    "seeds": [0],
    "search": {"epochs": 1},
    "retrain": False,
    "dimensions": {"joint": ["depth", "dilation"]},
    "blocks": [{"regularizer": ["ssr"], "shrink": [True], "dimensions": ["joint"]}],
}
RIVAL = {  # a file of the project, because only the stages open it
    "onnx": "config/config.yaml",
    "name": "rival",
    "preprocess": {"mean": [0.5, 0.5, 0.5], "channels": "bgr", "size": [64, 64]},
    "output": {"kind": "labels"},
    "classes": {"0": "a", "3": None},
}
CONFIGS = st.fixed_dictionaries(
    {"datasets": st.sampled_from([ENTRIES, {"town": ENTRIES["town"]}])},
    optional={
        "device": st.sampled_from(["auto", "cpu"]),
        "seeds": st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
        "networks": st.sampled_from([["searched", "erfnet", "paper_cityscapes"], ["erfnet", RIVAL]]),
        "search": st.just({"space": SPACE_SETTINGS, "epochs": 2, "threshold": 0.2, "cost": {"type": "macs"}}),
        "profile": st.just({"sizes": [[64, 64]], "runs": 5, "seconds": 0.5}),
        "ablation": st.just(ABLATION),
    },
)

MANIFEST = {
    "dataset": "own",
    "type": "folder",
    "root": ".",
    "classes": ["a", "b"],
    "palette": [[0, 0, 0], [1, 1, 1]],
    "size": [32, 64],
    "splits": {
        "train": split_entry([6, 2]),
        "val": split_entry([0, 8]),
        "test": None,
    },
    "digest": "0",
    "source": {"files": 4, "bytes": 99, "digest": "1"},
    "files": {"count": 4, "sha256": "0" * 64},
    "notes": ["none"],
    "warnings": ["a doubt"],
}
POLYGONS = {
    "imgHeight": 16,
    "imgWidth": 32,
    "objects": [{"label": "road", "polygon": [[0, 0], [9, 0], [9, 9]]}, {"label": "car", "polygon": [[1, 1], [2, 5]]}],
}
PROGRESS = {
    "state": "running",
    "pid": 1,
    "host": "node",
    "started": 9e5,
    "updated": 1e6,
    "terms": {"loss": 0.5},
    "iteration": 3,
    "iterations": 12,
    "epoch": 2,
    "epochs": 8,
    "seconds_left": 300.0,
    "miou_val": None,
}


@st.composite
def images(draw: st.DrawFn) -> bytes:
    """Draw an image: 16×32 or another size, any mode, perhaps with metadata or a wrong size in the header."""
    kind = draw(st.sampled_from(["PNG", "PNG", "PNG", "JPEG", "GIF", "TIFF"]))
    mode = draw(
        st.sampled_from(["L", "RGB"] if kind == "JPEG" else ["L", "L", "L", "P", "1", "RGB", "RGBA", "LA", "I;16"])
    )
    height, width = draw(st.sampled_from([(16, 32), (16, 32), (16, 32), (1, 1), (32, 16)]))
    values = np.random.default_rng(draw(st.integers(0, 9))).integers(
        0, draw(st.sampled_from([3, 3, 256])), (height, width)
    )
    picture = Image.fromarray(values.astype(np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(values.astype(np.uint16))
    elif mode != "L":
        picture = picture.convert(mode)
    options: dict[str, Any] = {}
    if kind in ("PNG", "JPEG") and draw(st.booleans()):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(0, 9))
        options["exif"] = exif
    if kind == "PNG" and draw(st.booleans()):
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("comment", draw(st.text("ab", max_size=3)) * 1000, zip=True)
    buffer = io.BytesIO()
    try:
        picture.save(buffer, kind, **options)
    except OSError:  # the format does not support this mode
        picture.convert("L").save(buffer, kind)
    data = bytearray(buffer.getvalue())
    if kind == "PNG" and draw(st.integers(0, 3)) == 0:
        side = draw(st.sampled_from([0, 33, 8192, 2**16, 2**31 - 1]))
        data[16:24] = 2 * side.to_bytes(4, "big")
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


NAMES = st.one_of(
    st.sampled_from(
        ["train/a.png", "train/b.png", "val/a.png", "../evil", "/evil", "a/../../evil", "a\\b", ".", "", "a/"]
    ),
    st.sampled_from(["train", "x" * 300, "d/" * 40 + "e", "\u202egnp.exe", "con\n", "..", "train/a.png/under"]),
    st.text(min_size=1, max_size=30),
)
MEMBERS = st.lists(st.tuples(NAMES, st.binary(max_size=50) | st.just(bytes(300_000))), max_size=6)
TAR_KINDS = [tarfile.REGTYPE] * 4 + [bytes([kind]) for kind in b"0123456789LKxgSVDNM\0"]


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Draw a tar, tar.gz or zip archive with odd names, links, devices, sizes and member types."""
    members = draw(MEMBERS)
    buffer = io.BytesIO()
    kind = draw(st.sampled_from(["tar", "tar.gz", "zip"]))
    if kind == "zip":
        method = draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name, content in members:
                info = zipfile.ZipInfo(name.encode("utf-8", "replace").decode())
                info.compress_type = method
                info.external_attr = draw(st.sampled_from([0, 0, 0o120777, 0o20666, 0o40755, 0o100644])) << 16
                archive.writestr(info, content)
        return buffer.getvalue()
    layout = draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]))
    with tarfile.open(fileobj=buffer, mode="w" if kind == "tar" else "w:gz", format=layout) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.type = draw(st.sampled_from(TAR_KINDS))
            info.linkname = draw(st.sampled_from(["", "/etc/passwd", "../.."]))
            info.size = len(content)
            if layout == tarfile.PAX_FORMAT and draw(st.booleans()):
                key = draw(st.sampled_from(["size", "path", "GNU.sparse.map", "GNU.sparse.major", "linkpath", "uid"]))
                info.pax_headers = {key: draw(st.text(max_size=5) | st.integers(-9, 10**20).map(str))}
            try:
                tar.addfile(info, io.BytesIO(content))
            except (ValueError, UnicodeError):  # the format cannot represent this name or size
                continue
    return buffer.getvalue()


def _state(seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    model = {"w": torch.rand(3, 4, generator=generator), "alive": torch.ones(2, dtype=torch.bool)}
    return {"iteration": seed, "model": model, "history": [{"loss": 0.5}], "decided": False, "name": "α"}


def _file(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


STATE = _file(_state(0))
WEIGHTS_META = {
    "dataset_meta": {"classes": ["a", "b"], "palette": [[0, 0, 0], [1, 2, 3]]},
    "input_size": [32, 64],
    "overlap": 8,
    "origin": {"dataset": "town", "seed": 0, "network": "small", "identity": "abc"},
}
WEIGHTS = _file({"state_dict": {"w": torch.ones(2), "n": torch.ones((), dtype=torch.int64)}, "meta": WEIGHTS_META})
CHECKPOINT = _file(
    {"message_hub": {"log_scalars": {"loss": HistoryBuffer([0.5, 0.25], [1, 1])}}, "score": np.float64(3)}
)


@st.composite
def _pickles(draw: st.DrawFn) -> bytes:
    """Draw a state file whose pickle is damaged or made of random opcodes; the rest of the file is valid."""
    with zipfile.ZipFile(io.BytesIO(draw(st.sampled_from([STATE, CHECKPOINT])))) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("data.pkl")]
        valid = archive.read(name)
    codes = [operation.code.encode("latin-1") for operation in pickletools.opcodes]
    names = ["os\nsystem", "torch\nFloatTensor", *(name.replace(" ", "\n") for name in CALLABLES)]
    part = st.sampled_from(codes) | st.binary(max_size=4) | st.sampled_from([f"c{name}\n".encode() for name in names])
    random = st.lists(part, max_size=20).map(lambda parts: b"\x80\x02}" + b"".join(parts) + b".")
    return zipped(draw(damaged(st.just(valid)) | random))


MEMBER_NAMES = [
    "data.PKL",
    "constants.pkl",
    "data/00",
    "data/1",
    "DATA/0",
    ".format_version",
    "byteorder",
    "../x",
    "a\x00b",
]
NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 5, 2**31 - 1, -1])


@st.composite
def _archives(draw: st.DrawFn) -> bytes:
    """Draw an archive with odd members, or something before or after it, whose tensor may not fit its storage."""
    kind = draw(st.sampled_from(["FloatStorage", "LongStorage", "QInt8Storage", "ComplexFloatStorage", "BoolStorage"]))
    key, device = (
        draw(st.sampled_from(["0", "1", "00", "../data.pkl", ""])),
        draw(st.sampled_from(["cpu", "meta", "cuda:99"])),
    )
    sides = [b"(" + b"".join(b"J" + draw(NUMBERS).to_bytes(4, "little", signed=True) for _ in range(2)) + b"t"] * 2
    value = tensor(stored(draw(NUMBERS), key, kind, device), *sides)
    nested = draw(st.sampled_from([b"", b"\x85" * 100_000, b"q\1](h\1h\1e", b"](" + b"K\0" * 9 + b"e", b"K\0s"]))
    others = draw(st.dictionaries(st.sampled_from(MEMBER_NAMES), st.binary(max_size=30), max_size=2))
    whole = archive(entry(value + nested), bytes(draw(st.integers(0, 32))), **others)
    around = st.sampled_from([b"", b"", b"", b"\x80\x02}.", whole, text("x")])
    return draw(around) + whole + draw(around)


def weights() -> st.SearchStrategy[bytes]:
    """Return a strategy of files of weights of a layer, with odd parts."""
    valid = {"state_dict": {"w": torch.ones(2), "n": torch.ones((), dtype=torch.int64)}, "meta": {**WEIGHTS_META}}
    parts = [torch.ones(2, 2), torch.full((2,), float("nan")), torch.zeros(2, dtype=torch.int64), torch.zeros(10**6, 0)]
    return edited(st.just(valid), odd=ODD | st.sampled_from(parts)).map(_file)


def states() -> st.SearchStrategy[bytes]:
    """Return a strategy of `torch.save` files: with odd values, damaged bytes, or a damaged pickle."""
    values = st.recursive(
        ODD | st.just(torch.zeros(2)) | st.just(torch.zeros(1).expand(10**9)) | st.just({1, 2}) | st.just((1, 2)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    )
    valid = st.integers(0, 20).map(_state)
    odd = st.tuples(valid, st.text(max_size=5), values).map(lambda drawn: {**drawn[0], drawn[1]: drawn[2]})
    return damaged(valid.map(_file)) | (values | odd).map(_file) | _pickles() | _archives()


def compact(value: Any) -> bytes:
    """Encode a JSON value as the bytes of a file."""
    return json.dumps(value).encode()
