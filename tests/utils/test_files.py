import errno
import hashlib
import json
import os
import stat

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from plain_values import PLAIN

from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@given(PLAIN)
@hypothesis_settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_is_read_back_as_written(tmp_path, value):
    files.write_json(tmp_path / "value.json", value)
    assert files.read_json(tmp_path / "value.json") == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, -float("inf")]])
def test_nan_and_infinity_are_refused_and_leave_the_old_file(tmp_path, value):
    files.write_json(tmp_path / "value.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "value.json", value)
    assert files.read_json(tmp_path / "value.json") == 1


def test_folders_are_created_and_permissions_follow_the_umask(tmp_path):
    path = tmp_path / "a" / "b" / "text.txt"
    before = os.umask(0o027)
    try:
        files.write_text(path, "äß\n")
    finally:
        os.umask(before)
    assert path.read_text(encoding="utf-8") == "äß\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_error_in_the_block_leaves_only_the_old_file(tmp_path):
    path = tmp_path / "state.bin"
    path.write_bytes(b"old")

    def write_half():
        with files.atomic_path(path) as temporary:
            temporary.write_bytes(b"half of the new")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_target_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "picture.png"
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(b"new")
        assert not path.exists()
        assert temporary.suffix == ".png"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_full_disk_gives_one_line_and_leaves_the_old_file(tmp_path, monkeypatch, when):
    path = tmp_path / "value.json"
    files.write_json(path, "old")
    monkeypatch.setattr(files.os, when, full_disk)
    with pytest.raises(UserError, match=r"could not write .*value\.json: No space left on device") as caught:
        files.write_json(path, "new")
    monkeypatch.undo()
    assert "\n" not in str(caught.value)
    assert files.read_json(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_while_writing_gives_one_line(tmp_path):
    def write_until_full():
        with files.atomic_path(tmp_path / "x.csv") as temporary:
            temporary.write_text("begun")
            full_disk()

    with pytest.raises(UserError, match="No space left"):
        write_until_full()
    assert list(tmp_path.iterdir()) == []


def test_a_file_with_the_name_of_the_folder_gives_one_line(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(UserError, match="could not write"):
        files.write_text(tmp_path / "results" / "x.json", "{}")


def test_a_pipe_is_not_replaced(tmp_path):
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(UserError, match=f"^could not write {path}: it is a device or a pipe; "):
            files.write_text(path, "x")
    assert pipe.is_fifo()


def test_an_error_of_another_file_is_raised_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"other\.txt"), files.atomic_path(tmp_path / "x.txt"):
        (tmp_path / "other.txt").read_text()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, json.dumps({"a": 1}).encode()[:-1]])
def test_invalid_json_gives_one_line_with_its_path(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.json is not valid JSON") as caught:
        files.read_json(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_gives_one_line(tmp_path):
    with pytest.raises(UserError, match=r"could not read .*absent\.json: No such file"):
        files.read_json(tmp_path / "absent.json")


def test_digest_is_sha256(tmp_path):
    content = os.urandom(1 << 20)
    (tmp_path / "file").write_bytes(content)
    assert files.sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
