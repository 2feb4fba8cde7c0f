import gzip
import io
import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssr_mmseg.datasets.preparation import archive as archive_module
from ssr_mmseg.datasets.preparation.archive import extract
from ssr_mmseg.utils.errors import UserError

FILES = {"top/a.txt": b"alpha" * 100, "top/sub/b.bin": bytes(range(256)) * 40, "top/empty": b""}


def tar_bytes(files: dict[str, bytes], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_bytes(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


PACKERS = {"tar": tar_bytes, "tar.gz": lambda files: tar_bytes(files, "w:gz"), "zip": zip_bytes}


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(path: Path, match: str, **limits) -> None:
    """Assert that `path` is refused and leaves no files."""
    target = path.parent / "data"
    with pytest.raises(UserError, match=match) as caught:
        extract(path, target, **limits)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", PACKERS)
def test_round_trip(kind, tmp_path):
    path = tmp_path / "archive"  # the format is recognized by the content, not by the name
    path.write_bytes(PACKERS[kind](FILES))
    extract(path, tmp_path / "data")
    assert content_of(tmp_path / "data") == FILES
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["archive", "data"]


def test_folder_entries_are_accepted(tmp_path):
    shutil.make_archive(str(tmp_path / "packed"), "gztar", root_dir=_tree(tmp_path / "tree"), base_dir=".")
    extract(tmp_path / "packed.tar.gz", tmp_path / "data")
    assert content_of(tmp_path / "data") == FILES


def _tree(folder: Path) -> Path:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def raw_zip(name: bytes) -> bytes:
    """Pack a file whose name has these bytes, without the mark that they are UTF-8."""
    stand_in = "x" * len(name)
    return zip_bytes({stand_in: b"1"}).replace(stand_in.encode(), name)


def marked_zip(name: bytes) -> bytes:
    """Pack a file whose name has these bytes, marked as UTF-8."""
    stand_in = "é" * (len(name) // 2)
    assert len(stand_in.encode()) == len(name)
    return zip_bytes({stand_in: b"1"}).replace(stand_in.encode(), name)


def raw_tar(name: bytes) -> bytes:
    return tar_bytes({os.fsdecode(name): b"1"})


@pytest.mark.parametrize("pack", [raw_zip, raw_tar])
def test_names_in_utf_8_are_accepted_whether_or_not_they_are_marked(pack, tmp_path):
    (tmp_path / "archive").write_bytes(pack("straße/字.png".encode()))
    extract(tmp_path / "archive", tmp_path / "data")
    assert content_of(tmp_path / "data") == {"straße/字.png": b"1"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (raw_zip("straße.png".encode("cp437")), r"contains the name .*stra\\xe1e\.png.*, which is not UTF-8; rename"),
        (marked_zip(b"\xff\xfe\xfd\xfc"), r"contains the name .*which is not UTF-8; rename the files, and pack"),
        (raw_tar("straße.png".encode("latin-1")), r"contains the name .*\\udcdf.*a character that is not UTF-8"),
        (raw_zip(b"a\nb.png"), r"contains the name .*a\\nb\.png.*, which has a control character"),
        (raw_tar(b"a\x1b[2Jb.png"), r"contains the name .*, which has a control character"),
        (tar_bytes({"x" * 256: b"1"}), r"contains the name .* of over 255 bytes"),
    ],
)
def test_names_that_cannot_be_written_or_shown_are_one_line(content, match, tmp_path):
    (tmp_path / "archive").write_bytes(content)
    refused(tmp_path / "archive", match)


def test_large_members_survive_the_buffer(tmp_path):
    files = {f"{index}": os.urandom(2**20 + 512 * index) for index in range(3)}
    path = tmp_path / "archive"
    path.write_bytes(tar_bytes(files, "w:gz"))
    extract(path, tmp_path / "data")
    assert content_of(tmp_path / "data") == files


def test_earlier_data_are_replaced_completely_and_kept_on_failure(tmp_path):
    path, target = tmp_path / "archive", tmp_path / "data"
    path.write_bytes(tar_bytes({"old": b"1"}))
    extract(path, target)
    path.write_bytes(tar_bytes({"new": b"2"})[:600])
    with pytest.raises(UserError):
        extract(path, target)
    assert content_of(target) == {"old": b"1"}
    path.write_bytes(tar_bytes({"new": b"2"}))
    extract(path, target)
    assert content_of(target) == {"new": b"2"}


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    (tmp_path / ".data.killed" / "new").mkdir(parents=True)
    (tmp_path / "archive").write_bytes(tar_bytes(FILES))
    extract(tmp_path / "archive", tmp_path / "data")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["archive", "data"]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_truncated_archives_are_refused(kind, share, tmp_path):
    whole = PACKERS[kind]({f"file{index}": os.urandom(3000) for index in range(8)})
    path = tmp_path / "archive"
    path.write_bytes(whole[: int(share * len(whole))])
    refused(path, "damaged|ends early")


@pytest.mark.parametrize("cut", [1024, 1024 + 200])
def test_tar_cut_at_or_in_a_header_is_refused(cut, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(tar_bytes({"a": b"x", "b": b"y"})[:cut])  # each file takes a header and a block
    refused(path, "damaged")


def test_a_flipped_bit_after_the_last_file_is_detected(tmp_path):
    broken = bytearray(tar_bytes(FILES, "w:gz"))
    broken[-6] ^= 1  # in gzip's checksum
    path = tmp_path / "archive"
    path.write_bytes(broken)
    refused(path, "damaged")


def test_zip_with_wrong_content_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", b"unpacked as it is")
    path = tmp_path / "archive"
    path.write_bytes(buffer.getvalue().replace(b"unpacked", b"tampered"))
    refused(path, "damaged")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 but no zip", b"\x1f\x8b\x08", b"\0" * 100])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(content)
    refused(path, "not a .tar, .tar.gz or .zip file")


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("name", ["/etc/evil", "../evil", "a/../../evil", "a\\..\\evil", "a/.."])
def test_paths_that_escape_are_refused(kind, name, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(PACKERS[kind]({"fine": b"1", name: b"2"}))
    refused(path, "leads outside")


@given(name=st.text(alphabet="ab./\\", min_size=1, max_size=12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_ever_written_outside(name, tmp_path):
    shutil.rmtree(tmp_path)
    inner = tmp_path / "x" / "y"
    inner.mkdir(parents=True)
    (inner / "archive").write_bytes(tar_bytes({name: b"2"}))
    try:
        extract(inner / "archive", inner / "data")
    except UserError:
        assert not (inner / "data").exists()
    outside = [path for path in tmp_path.rglob("*") if path.is_file() and inner / "data" not in path.parents]
    assert outside == [inner / "archive"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE], ids=repr
)
def test_links_and_devices_are_refused(kind, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        info = tarfile.TarInfo("innocent")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    path = tmp_path / "archive"
    path.write_bytes(buffer.getvalue())
    refused(path, "a link or a device")


def test_zip_symlink_is_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo("innocent")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    path = tmp_path / "archive"
    path.write_bytes(buffer.getvalue())
    refused(path, "a link or a device")


@pytest.mark.parametrize("kind", PACKERS)
def test_bombs_are_refused(kind, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(PACKERS[kind]({"bomb": bytes(10**6)}))
    refused(path, "over 999999 bytes.*options.max_bytes", max_bytes=10**6 - 1)
    extract(path, tmp_path / "data", max_bytes=10**6)
    shutil.rmtree(tmp_path / "data")
    path.write_bytes(PACKERS[kind]({f"{index}": b"" for index in range(11)}))
    refused(path, "more than 10 files.*options.max_files", max_files=10)
    extract(path, tmp_path / "data", max_files=11)


def test_a_bomb_after_the_last_file_is_refused(tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(gzip.compress(tar_bytes({"a": b"1"}) + bytes(10**6)))
    refused(path, "follow its last file", max_bytes=10**5)


def test_giant_tar_header_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_READ", 2**16)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * 10**6}
        tar.addfile(info)
    path = tmp_path / "archive"
    path.write_bytes(buffer.getvalue())
    refused(path, "damaged")


@pytest.mark.parametrize("names", [["a", "a"], ["a", "a/b"], ["a/b", "a"]])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_with_one_path_are_refused(names, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"1")
    path = tmp_path / "archive"
    path.write_bytes(buffer.getvalue())
    refused(path, "two files with one path")


def test_encrypted_zip_is_refused(tmp_path):
    encrypted = bytearray(zip_bytes({"a": b"secret"}))
    encrypted[6] |= 1  # the flag in the local header
    encrypted[encrypted.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    path = tmp_path / "archive"
    path.write_bytes(encrypted)
    refused(path, "encrypt")


def test_a_full_disk_gives_one_line(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    path = tmp_path / "archive"
    path.write_bytes(tar_bytes(FILES))
    monkeypatch.setattr(archive_module.shutil, "copyfileobj", full)
    refused(path, "could not write .*data: No space left on device; free space")


def test_missing_archive(tmp_path):
    with pytest.raises(UserError, match=r"could not read .*gone"):
        extract(tmp_path / "gone", tmp_path / "data")


@pytest.mark.parametrize("kind", PACKERS)
def test_a_suspicious_compression_ratio_is_refused(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "FREE_BYTES", 10**5)
    path = tmp_path / "archive"
    path.write_bytes(PACKERS[kind]({"zeros": bytes(10**6)}))
    if kind == "tar":  # which does not compress
        extract(path, tmp_path / "data")
    else:
        refused(path, "unpacks to over 200 times its size, which images never do; if you trust it, unpack it yourself")


@pytest.mark.parametrize("kind", PACKERS)
def test_deeply_nested_folders_are_refused(kind, tmp_path):
    path = tmp_path / "archive"
    path.write_bytes(PACKERS[kind]({"a/" * 1500 + "b": b"1"}))
    refused(path, "a path of over 32 nested folders")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_zip_methods_that_may_request_any_memory_are_refused(method, tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w", method) as archive:
        archive.writestr("a", b"1" * 100)
    refused(tmp_path / "archive", "cannot be unpacked .*another method than deflate")


def test_giant_zip_directory_is_refused_before_it_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        for index in range(2000):
            archive.writestr(f"{index:0600}", b"")
    refused(tmp_path / "archive", "a directory of over 1048704 bytes", max_files=1)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_tar_headers_that_announce_each_other_are_refused(kind, tmp_path):
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, 1
    (tmp_path / "archive").write_bytes((info.tobuf() + b"a" + bytes(511)) * 3000 + tar_bytes({"a": b"1"}))
    refused(tmp_path / "archive", "damaged")


@pytest.mark.parametrize("kind", [b"0", b"x", b"L", b"S", b"2"])
def test_negative_sizes_are_refused(kind, tmp_path):
    """They would make `tarfile` read the same header forever."""
    header = bytearray(tarfile.TarInfo("a").tobuf())
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"  # -512
    header[156:157] = kind
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "archive").write_bytes(tar_bytes({"first": b"1"})[:1024] + bytes(header) + bytes(1024))
    refused(tmp_path / "archive", "damaged|two files with one path|a link or a device", max_files=100)


def test_a_member_without_a_name_is_refused(tmp_path):
    """`zipfile` never writes one, but reads one and then accesses the last letter of its name."""
    directory = b"PK\1\2" + bytes(42)
    end = b"PK\5\6" + bytes(4) + b"\1\0\1\0" + len(directory).to_bytes(4, "little") + bytes(4) + bytes(2)
    (tmp_path / "archive").write_bytes(directory + end)
    refused(tmp_path / "archive", "damaged .*string index out of range")
