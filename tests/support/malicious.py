"""Files that run code when they are unpickled: each would write a marker."""

import io
import pickle
import zipfile
from pathlib import Path

import torch


class Payload:
    """A pickle of this writes `marker` when it is read by the full unpickler."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.marker, "code from a file was run")


def zipped(pickled: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file as torch writes it, with another pickle inside."""
    written, changed = io.BytesIO(), io.BytesIO()
    torch.save({}, written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(changed, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, pickled if name.endswith("data.pkl") else source.read(name))
    return changed.getvalue()


def attribute_reacher() -> bytes:
    """A file that calls `getattr`, with which mmengine's own list of safe globals would let it."""
    name = b"X" + (8).to_bytes(4, "little") + b"__init__"
    return zipped(b"\x80\x02}X\x05\0\0\0modelcbuiltins\ngetattr\nccollections\nOrderedDict\n" + name + b"\x86Rs.")


def write_all(folder: Path, marker: Path) -> list[Path]:
    """One file for every format that torch, mmengine or mmseg would unpickle."""
    payload = {"model": Payload(marker), "state_dict": Payload(marker), "meta": {}}
    torch.save(payload, folder / "zipped.pth")
    torch.save(payload, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    (folder / "plain.pth").write_bytes(pickle.dumps(payload))
    (folder / "plain.pkl").write_bytes(pickle.dumps(payload))
    (folder / "reaching.pth").write_bytes(attribute_reacher())
    return sorted(folder.glob("*.p*"))
