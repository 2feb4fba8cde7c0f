"""What is written is on the disk before anything refers to it: the order of flushes and renames."""

import errno
import os
from pathlib import Path

import pytest

from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.utils import files
from ssr_mmseg.utils.atomic_folder import staged_folder
from ssr_mmseg.utils.errors import UserError


@pytest.fixture
def calls(monkeypatch) -> list[tuple]:
    """Record flushes and renames, with the paths that were flushed."""
    made: list[tuple] = []
    fsync, replace, sync = os.fsync, os.replace, os.sync

    def record_fsync(handle):
        made.append(("fsync", Path(os.readlink(f"/proc/self/fd/{handle}"))))
        fsync(handle)

    def record_replace(source, target):
        made.append(("replace", Path(source), Path(target)))
        replace(source, target)

    def record_sync():
        made.append(("sync",))
        sync()

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    monkeypatch.setattr(os, "sync", record_sync)
    return made


def test_a_file_is_flushed_then_renamed_then_its_folder_is_flushed(calls, tmp_path):
    files.write_text(tmp_path / "value.json", "1")
    kinds = [call[0] for call in calls]
    assert kinds == ["fsync", "replace", "fsync"]
    temporary = calls[1][1]
    assert calls == [
        ("fsync", temporary),
        ("replace", temporary, tmp_path / "value.json"),
        ("fsync", tmp_path),
    ]


def test_all_files_of_a_folder_are_flushed_before_it_takes_its_place(calls, tmp_path):
    target = tmp_path / "data"
    for content in ("old", "new"):
        calls.clear()
        with staged_folder(target) as folder:
            (folder / "train" / "images").mkdir(parents=True)
            (folder / "train" / "images" / "a.png").write_text(content)
            (folder / "train" / "images" / "link.png").symlink_to("/nowhere/at/all.png")
            (folder / "classes.csv").write_text(content)
    staged = calls[-2][1]
    flushed = [call[1] for call in calls if call[0] == "fsync"]
    inside = [staged / "train/images/a.png", staged / "train/images", staged / "train", staged / "classes.csv", staged]
    assert calls[0] == ("sync",), "one call writes everything, so that flushing each file costs little"
    assert set(flushed[:-1]) == set(inside)
    for path in inside[1:]:
        within = [other for other in inside if path in other.parents]
        assert all(flushed.index(other) < flushed.index(path) for other in within), f"{path} before what is in it"
    assert calls[-3:] == [
        ("replace", target, staged.parent / "old"),
        ("replace", staged, target),
        ("fsync", tmp_path),
    ]
    assert (target / "classes.csv").read_text() == "new"


def test_a_state_has_its_place_when_it_is_saved(calls, tmp_path):
    checkpoints = Checkpoints(tmp_path / "state.pth")
    checkpoints.save({"iteration": 1})
    checkpoints.save({"iteration": 2})
    assert calls[-3:] == [
        ("replace", tmp_path / "state.pth", tmp_path / "previous.pth"),
        ("replace", tmp_path / "next.pth", tmp_path / "state.pth"),
        ("fsync", tmp_path),
    ]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_flush_folders_is_accepted(monkeypatch, tmp_path, number):
    fsync = os.fsync

    def refuse_folders(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    files.write_text(tmp_path / "value.json", "1")
    with staged_folder(tmp_path / "data") as folder:
        (folder / "a").write_text("a")
    assert (tmp_path / "data" / "a").read_text() == "a"


def test_a_disk_that_does_not_take_a_file_leaves_the_old_folder(monkeypatch, tmp_path):
    """Some disks report only when a file is flushed that they are full."""
    with staged_folder(tmp_path / "data") as folder:
        (folder / "a").write_text("old")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(UserError, match=r"could not write .*data: No space left on device"),
        staged_folder(tmp_path / "data") as folder,
    ):
        (folder / "a").write_text("new")
    assert (tmp_path / "data" / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
