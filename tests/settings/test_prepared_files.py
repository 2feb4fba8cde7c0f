"""The record of a prepared dataset's files notices every change, and reads files only where it must."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ssr_mmseg.settings import prepared_files
from ssr_mmseg.settings.prepared_files import FileRecord, again, changed_files, read_records, summary, write_records
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import sha256

NAMES = ["a.png", "b,c.png", 'd "e".png', "ö/字.png"]


@pytest.fixture
def data(tmp_path) -> Path:
    for name in NAMES:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "data"


def record(root: Path, name: str, split: str = "train") -> FileRecord:
    state = os.stat(root / name)
    return FileRecord(split, name, state.st_size, state.st_mtime_ns, sha256(root / name))


def test_records_are_read_as_they_were_written(data, tmp_path):
    records = [record(data, name) for name in NAMES]
    entry = write_records(tmp_path, records)
    assert entry["count"] == len(NAMES)
    assert read_records(tmp_path / "dataset.json", {"files": entry}) == records


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1), max_size=5))
@hypothesis_settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_that_prepare_accepts_is_read_back(tmp_path, names):
    records = [FileRecord("val", name, 3, 2**62, "0" * 64) for name in names]
    assert read_records(tmp_path / "dataset.json", {"files": write_records(tmp_path, records)}) == records


def test_equal_data_have_equal_entries(data, tmp_path):
    records = [record(data, name) for name in NAMES]
    later = [replace(one, mtime_ns=one.mtime_ns + 1) for one in records]
    assert write_records(tmp_path, records) == write_records(tmp_path, later)


def test_a_manifest_of_an_earlier_version_has_no_records(tmp_path):
    assert read_records(tmp_path / "dataset.json", {}) == []


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 30)


def remove_last(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (Path.unlink, r"could not read .*files.csv: No such file"),
        (truncate, r"files.csv does not belong to .*dataset.json \("),
        (remove_last, r"files.csv does not belong to .*dataset.json \(another content"),
        (lambda path: path.write_bytes(b""), r"files.csv does not belong"),
        (lambda path: path.write_bytes(b"\xff"), r"files.csv does not belong"),
    ],
)
def test_a_damaged_record_is_one_line(damage, match, data, tmp_path):
    entry = write_records(tmp_path, [record(data, name) for name in NAMES])
    damage(tmp_path / "files.csv")
    with pytest.raises(UserError, match=match) as raised:
        read_records(tmp_path / "dataset.json", {"files": entry})
    assert "snakemake --cores all --force" in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "h\na,b", "h\ntrain,a,1,1,xyz", f"h\ntrain,a,x,1,{'0' * 64}", f"h\na,b,1,{'0' * 64}"]
)
def test_a_record_of_another_form_is_one_line(text, tmp_path):
    (tmp_path / "files.csv").write_text(text)
    with pytest.raises(UserError, match="does not belong to"):
        read_records(tmp_path / "dataset.json", {"files": {"sha256": sha256(tmp_path / "files.csv")}})


@pytest.mark.parametrize("entry", [5, [], {}, "text"])
def test_an_entry_of_another_form_is_one_line(entry, tmp_path):
    (tmp_path / "files.csv").write_text("h")
    with pytest.raises(UserError, match="does not belong to"):
        read_records(tmp_path / "dataset.json", {"files": entry})


def rewrite(path: Path, content: bytes) -> None:
    """Change the content of a file, and keep its time."""
    state = os.stat(path)
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def be_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def be_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("change", "how"),
    [
        (Path.unlink, "no such file or directory"),
        (lambda path: path.write_bytes(b"longer than before"), "18 bytes instead of 5"),
        (lambda path: path.write_bytes(b"a.jpg"), "other content of the same size"),
        (be_a_folder, "bytes instead of 5"),
        (be_a_pipe, "0 bytes instead of 5"),
    ],
)
def test_a_change_is_noticed(change: Callable, how: str, data):
    records = [record(data, name) for name in NAMES]
    os.utime(data / "a.png", ns=(0, 0))
    records = [record(data, "a.png"), *records[1:]]
    change(data / "a.png")
    (changed,) = changed_files(data, records)
    assert changed.path == data / "a.png"
    assert changed.how.endswith(how)
    assert summary([changed], 4).startswith(f"1 of 4 files changed since they were prepared (first {data / 'a.png'}: ")


def test_a_whole_folder_that_is_gone_is_noticed(data):
    records = [record(data, name) for name in NAMES]
    data.rename(data.with_name("elsewhere"))
    assert [changed.path for changed in changed_files(data, records)] == [data / name for name in NAMES]


def test_files_are_read_only_where_the_time_is_another_one(data, monkeypatch):
    records = [record(data, name) for name in NAMES]
    read = []
    monkeypatch.setattr(prepared_files, "sha256", lambda path: read.append(path) or sha256(path))
    assert changed_files(data, records) == []
    assert read == []
    os.utime(data / "b,c.png", ns=(0, 0))  # touched, or copied without its time
    assert changed_files(data, records) == []
    assert read == [data / "b,c.png"]


def test_only_a_full_comparison_notices_a_change_that_keeps_size_and_time(data):
    records = [record(data, name) for name in NAMES]
    rewrite(data / "a.png", b"A.png")
    assert changed_files(data, records) == []
    assert [changed.how for changed in changed_files(data, records, contents=True)] == [
        "other content of the same size"
    ]


def test_changes_have_the_order_of_the_records(data):
    records = [record(data, name) for name in NAMES]
    rewrite(data / NAMES[0], b"A.png")
    os.utime(data / NAMES[0], ns=(0, 0))
    (data / NAMES[1]).unlink()
    rewrite(data / NAMES[3], NAMES[3].encode()[::-1])
    os.utime(data / NAMES[3], ns=(0, 0))
    assert [changed.path for changed in changed_files(data, records)] == [data / NAMES[k] for k in (0, 1, 3)]


@pytest.mark.parametrize("name", ["/dev/zero", "a\0b", "x" * 5000])
def test_a_name_that_nobody_prepared_is_a_change(data, name):
    """A manifest may come from somebody else."""
    assert len(changed_files(data, [FileRecord("train", name, 5, 0, "0" * 64)], contents=True)) == 1


def test_the_command_that_prepares_again_names_the_manifest():
    assert again(Path("results/town/prepare/dataset.json")).endswith("--force results/town/prepare/dataset.json")
