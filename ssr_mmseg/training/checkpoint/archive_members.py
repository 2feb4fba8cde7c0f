"""The members of a checkpoint's archive: what torch writes into it, checked before it is used.

torch itself is not given the archive, because it reads one in ways that `zipfile` does not: names without their case,
an old format whatever follows in the file, and sizes that the file states.
"""

import io
import re
import sys
import zipfile
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

START = b"PK\x03\x04"  # of an archive that torch reads as one
ENTRY = b"PK\x01\x02"  # of each entry of the directory
MAX_MEMBERS = 100_000  # far above the tensors of a training; `zipfile` needs 1 kB for each
MAX_PICKLE = 64 * 2**20  # bytes of the pickle, which holds the structure around the tensors
ENCRYPTED = 0x1
PICKLE, ORDER = "data.pkl", "byteorder"
STORAGE = re.compile(r"data/[0-9]{1,9}")
UNREAD = re.compile(r"version|\.\w[\w/]*", re.ASCII)  # versions and identifiers, which nothing here depends on


class NotTensorsError(ValueError):
    """A file that is damaged, or contains something other than tensors and plain values."""


class Members:
    """The members of an archive that `torch.save` wrote.

    Args:
        data: Content of the file.

    Raises:
        NotTensorsError: It is no such archive, or has other members, or members that would not be read as they are
            stored: compressed, encrypted, overlapping, or of one name.
    """

    def __init__(self, data: bytes) -> None:
        if not data.startswith(START):
            raise NotTensorsError("it is not an archive, as torch.save writes it since version 1.6")
        if data.count(ENTRY) > MAX_MEMBERS:  # counted in the bytes, because opening it reads the whole directory
            raise NotTensorsError(f"it has more than {MAX_MEMBERS} members")
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._members: dict[str, zipfile.ZipInfo] = {}
        root = None
        for member in self._archive.infolist():
            folder, _, name = member.filename.partition("/")
            if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
                raise NotTensorsError(f"{member.filename} is compressed, which torch's files never are")
            if member.flag_bits & ENCRYPTED:
                raise NotTensorsError(f"{member.filename} is encrypted, which torch's files never are")
            if name in self._members:
                raise NotTensorsError(f"it has two members of the name {name}")
            if folder != (root := folder if root is None else root):
                raise NotTensorsError(f"it has the folders {root} and {folder}, expected one")
            if not (name in (PICKLE, ORDER) or STORAGE.fullmatch(name) or UNREAD.fullmatch(name)):
                raise NotTensorsError(f"it has the member {name or folder}, which torch.save does not write")
            self._members[name] = member
        if sum(member.file_size for member in self._members.values()) > len(data):
            raise NotTensorsError("its members overlap")
        self._check_order()

    def _check_order(self) -> None:
        """Check that numbers have this machine's byte order; without that member they have."""
        order = self._read(ORDER) if ORDER in self._members else sys.byteorder.encode()
        if order != sys.byteorder.encode():
            raise NotTensorsError(f"its numbers have the byte order {order[:10]!r}, expected {sys.byteorder}")

    @cached_property
    def pickled(self) -> bytes:
        """The pickle.

        Raises:
            NotTensorsError: It is missing, damaged or too large.
        """
        if PICKLE in self._members and self._members[PICKLE].file_size > MAX_PICKLE:
            raise NotTensorsError(f"{PICKLE} is larger than {MAX_PICKLE} bytes")
        return self._read(PICKLE)

    def storage(self, key: str) -> Tensor:
        """Return a copy of the numbers that are stored under a key, as bytes, (length,).

        Raises:
            NotTensorsError: They are missing or damaged.
        """
        content = self._read(f"data/{key}")
        values = torch.empty(len(content), dtype=torch.uint8)  # by torch, which aligns it
        values.numpy()[:] = np.frombuffer(content, np.uint8)
        return values

    def _read(self, name: str) -> bytes:
        if name not in self._members:
            raise NotTensorsError(f"it has no {name}")
        try:
            return self._archive.read(self._members[name])
        except zipfile.BadZipFile as error:
            raise NotTensorsError(f"{name} is damaged: {error}") from error
