"""Files that run code when they are unpickled, by which each would write a marker file."""

import io
import pickle
import zipfile
from pathlib import Path

import torch


class Payload:
    """An object whose pickle writes the file `marker` when the full unpickler reads it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.marker, "code from a file was run")


def zipped(pickled: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Return the bytes of a file as written by torch, with its pickle replaced."""
    written, changed = io.BytesIO(), io.BytesIO()
    torch.save({}, written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(changed, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, pickled if name.endswith("data.pkl") else source.read(name))
    return changed.getvalue()


def attribute_reacher() -> bytes:
    """Return a file that calls `getattr`, which mmengine's own list of safe globals would allow."""
    name = b"X" + (8).to_bytes(4, "little") + b"__init__"
    return zipped(b"\x80\x02}X\x05\0\0\0modelcbuiltins\ngetattr\nccollections\nOrderedDict\n" + name + b"\x86Rs.")


def write_all(folder: Path, marker: Path) -> list[Path]:
    """Write one file for every format that torch, mmengine or mmseg would unpickle."""
    payload = {"model": Payload(marker), "state_dict": Payload(marker), "meta": {}}
    torch.save(payload, folder / "zipped.pth")
    torch.save(payload, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    (folder / "plain.pth").write_bytes(pickle.dumps(payload))
    (folder / "plain.pkl").write_bytes(pickle.dumps(payload))
    (folder / "reaching.pth").write_bytes(attribute_reacher())
    return sorted(folder.glob("*.p*"))
