"""Parts of pickles, as bytes, and archives of them: files that torch would never write but could read."""

import io
import zipfile

DIMENSION = b"K\1\x85"  # the tuple (1,)


def text(value: str) -> bytes:
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def integer(number: int) -> bytes:
    return b"J" + number.to_bytes(4, "little", signed=True)


def numbers(*values: int) -> bytes:
    """Return a tuple of integers of any size."""
    longs = (n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True) for n in values)
    return b"(" + b"".join(b"\x8a" + bytes([len(long)]) + long for long in longs) + b"t"


def stored(length: int, key: str = "0", kind: str = "FloatStorage", device: str = "cpu") -> bytes:
    """Return the reference to a storage."""
    return b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text(device) + integer(length) + b"tQ"


def tensor(storage: bytes, size: bytes, stride: bytes = DIMENSION, offset: bytes = b"K\0") -> bytes:
    """Return a tensor."""
    end = b"\x89ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset + size + stride + end + b"tR"


def entry(value: bytes) -> bytes:
    """Return the pickle of a dictionary that has a value under `a`."""
    return b"\x80\x02}" + text("a") + value + b"s."


def archive(pickled: bytes, *storages: bytes, **others: bytes) -> bytes:
    """Return an archive as torch's, with a pickle, the content of storages, and other members of its folder."""
    content = io.BytesIO()
    data = {f"data/{number}": stored for number, stored in enumerate(storages)}
    with zipfile.ZipFile(content, "w") as target:
        for name, value in {"data.pkl": pickled, "byteorder": b"little", **data, "version": b"3\n", **others}.items():
            target.writestr(f"archive/{name}", value)
    return content.getvalue()
