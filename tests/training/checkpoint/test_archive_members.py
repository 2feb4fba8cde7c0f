"""Archives that torch would read in other ways than as the files that it writes."""

import io
import pickle
import struct
import subprocess
import sys
import warnings
import zipfile

import pytest
import torch
from pickles import archive, entry, stored, tensor
from watch import watched

from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError

PICKLED = entry(tensor(stored(1), b"K\1\x85"))
SOUND = archive(PICKLED, b"abcd")
HUGE = entry(b"cbuiltins\nbytearray\n\x8a\x05\0\0\0\0\x01\x85R")  # would take 4 GB


def refused(folder, data, match):
    path = folder / "s.pth"
    path.write_bytes(data)
    with watched(folder), pytest.raises(UserError, match=match) as caught:
        load_state(path)
    assert "is not a readable state file" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


def renamed(old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    assert SOUND.count(old) == 2  # in the header and in the directory
    return SOUND.replace(old, new)


def written(members: dict, flags: int = 0, **options) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", **options) as target:
        for name, value in members.items():
            target.writestr(name, value)
    return content.getvalue()


def twice() -> bytes:
    """Return an archive with two members of one name."""
    content = io.BytesIO(SOUND)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(content, "a") as target:
        target.writestr("archive/data/0", b"efgh")
    return content.getvalue()


def directory_changed(name: bytes, offset: int, value: bytes) -> bytes:
    """Return the sound archive with a field of a member's directory entry changed."""
    place = SOUND.rindex(name) - 46 + offset
    return SOUND[:place] + value + SOUND[place + len(value) :]


def test_the_archive_that_the_others_differ_from_is_read(tmp_path):
    (tmp_path / "s.pth").write_bytes(SOUND)
    assert load_state(tmp_path / "s.pth")["a"].shape == (1,)


LEGACY = io.BytesIO()
torch.save({"a": torch.zeros(3)}, LEGACY, _use_new_zipfile_serialization=False)
FILES = {
    # torch reads names without their case, and the old format whatever follows it in the file
    "a second pickle": (archive(PICKLED, b"abcd", **{"data.PKL": HUGE}), r"it has the member data\.PKL"),
    "a pickle in capitals": (renamed(b"archive/data.pkl", b"archive/data.PKL"), r"it has the member data\.PKL"),
    "a legacy pickle before it": (pickle.dumps(bytearray, 2) + SOUND, "it is not an archive"),
    "a legacy file": (LEGACY.getvalue(), "it is not an archive"),
    "something before it": (b"x" + SOUND, "it is not an archive"),
    "nothing": (b"", "it is not an archive"),
    "only its start": (b"PK\3\4", "BadZipFile"),
    "two members of a name": (twice(), "two members of the name data/0"),
    "two folders": (written({"a/data.pkl": PICKLED, "b/data/0": b"abcd"}), "it has the folders a and b, expected one"),
    "no folder": (written({"data.pkl": PICKLED}), r"it has the member data\.pkl, which torch\.save does not write"),
    "a folder in it": (written({"a/": b"", "a/data.pkl": PICKLED}), "it has the member a, which"),
    "no pickle": (written({"a/version": b"3"}), r"it has no data\.pkl"),
    "TorchScript": (archive(PICKLED, b"abcd", **{"constants.pkl": HUGE}), r"it has the member constants\.pkl"),
    "code": (archive(PICKLED, b"abcd", **{"code/x.py": b""}), r"it has the member code/x\.py"),
    "a path to the parent": (archive(PICKLED, b"abcd", **{"../x": b""}), r"it has the member \.\./x"),
    "a storage by another name": (archive(PICKLED, **{"data/0x": b"abcd"}), "it has the member data/0x"),
    "a storage with other digits": (archive(PICKLED, **{"data/\u0660": b"abcd"}), "it has the member data/"),
    "compressed": (written({"a/data.pkl": PICKLED}, compression=8), "is compressed, which torch's files never are"),
    "encrypted": (directory_changed(b"archive/data/0", 8, b"\1\0"), "is encrypted, which torch's files never are"),
    "a long member": (directory_changed(b"archive/data/0", 20, struct.pack("<II", 2**31, 2**31)), "overlap"),
    "another size than it takes": (directory_changed(b"archive/data/0", 24, struct.pack("<I", 2**31)), "is compressed"),
    "a size of 64 bits": (directory_changed(b"archive/data/0", 20, b"\xff" * 8), "overlap|BadZipFile"),
    "another checksum": (directory_changed(b"archive/data/0", 16, b"abcd"), "data/0 is damaged: Bad CRC-32"),
    "a header elsewhere": (
        directory_changed(b"archive/data/0", 42, struct.pack("<I", 7)),
        "data/0 is damaged: Bad magic",
    ),
    "another header's member": (directory_changed(b"archive/data/0", 42, bytes(4)), "data/0 is damaged: File name"),
    "another byte order": (
        written({"a/data.pkl": PICKLED, "a/byteorder": b"big"}),
        "byte order b'big', expected little",
    ),
    "an unknown byte order": (
        written({"a/data.pkl": PICKLED, "a/byteorder": b"x" * 9999}),
        "the byte order b'xxxxxxxxxx'",
    ),
    "no storage": (archive(PICKLED), "it has no data/0"),
    "control characters": (archive(PICKLED, **{"\x1b[2J\n": b""}), r"the member \\x1b\[2J , which"),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_torch_does_not_write_is_refused(tmp_path, kind):
    refused(tmp_path, *FILES[kind])


def test_overlapping_members_are_refused(tmp_path):
    """Members of one archive that share the same megabyte would be read as many."""
    sound = archive(PICKLED, bytes(10**6))
    with zipfile.ZipFile(io.BytesIO(sound)) as source:
        (place,) = (member.header_offset for member in source.infolist() if member.filename.endswith("/0"))
        end, first = source.start_dir, sound.rindex(b"PK\1\2", 0, sound.rindex(b"archive/data/0"))
    data = sound[first : first + 46 + 14]
    assert struct.unpack("<I", data[42:46]) == (place,)
    many = b"".join(data[:46] + f"archive/data/{number}".encode() for number in range(10))
    entries = sound[end : sound.rindex(b"PK\5\6")] + many[60:]
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 13, 13, len(entries), end, 0)
    refused(tmp_path, sound[:end] + entries + tail, "its members overlap")


def test_an_archive_of_very_many_members_is_refused_before_its_directory_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ssr_mmseg.training.checkpoint.archive_members.MAX_MEMBERS", 10)
    many = archive(PICKLED, *[b"x"] * 10)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    refused(tmp_path, many, "it has more than 10 members")


def test_members_that_say_nothing_about_the_content_are_not_read(tmp_path):
    others = {".format_version": b"9" * 9999, ".data/serialization_id": b"", ".storage_alignment": b"x", "version": b""}
    (tmp_path / "s.pth").write_bytes(archive(PICKLED, b"abcd", **others))
    assert list(load_state(tmp_path / "s.pth")) == ["a"]


def test_a_huge_pickle_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ssr_mmseg.training.checkpoint.archive_members.MAX_PICKLE", 1000)
    refused(tmp_path, archive(entry(b"]" + b"N" * 2000)), "is larger than 1000 bytes")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ssr_mmseg.training.checkpoint.state_file.MAX_BYTES", len(SOUND) - 1)
    (tmp_path / "s.pth").write_bytes(SOUND)
    with pytest.raises(UserError, match=f"is larger than {len(SOUND) - 1} bytes"):
        load_state(tmp_path / "s.pth")


PEAK = """
import resource, sys
from pathlib import Path
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try:
    load_state(Path(sys.argv[1]))
except UserError:
    pass
print(peak() - before)
"""


def peak(path) -> int:
    """Return by how many bytes the reading of a file raises the peak memory of a process."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_large_state_takes_about_twice_its_size(tmp_path):
    model = {f"layer{number}": torch.zeros(500, 1000) for number in range(25)}
    save_state(tmp_path / "s.pth", {"model": model, "one": torch.zeros(12_500_000)})  # 100 MB
    size = (tmp_path / "s.pth").stat().st_size
    assert peak(tmp_path / "s.pth") < 2.7 * size  # the file, the tensors, and the largest one while it is copied


def test_small_files_take_little(tmp_path):
    for kind, (data, _) in FILES.items():
        if "pickle" in kind or "member" in kind:
            (tmp_path / kind).write_bytes(data)
            assert peak(tmp_path / kind) < 64 * 2**20, kind
