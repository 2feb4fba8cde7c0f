import os
from pathlib import Path

import pytest

from ssr_mmseg.settings.source_listing import derived_patterns, source_listing


@pytest.fixture
def source(tmp_path) -> Path:
    for name in ("train/a.png", "train/b.png", "val/c.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"12345")
    return tmp_path / "data"


def add(source: Path) -> None:
    (source / "val/d.png").write_bytes(b"1")


def remove(source: Path) -> None:
    (source / "val/c.png").unlink()


def rename(source: Path) -> None:
    (source / "val/c.png").rename(source / "val/e.png")


def move(source: Path) -> None:
    (source / "train/b.png").rename(source / "val/b.png")


def edit(source: Path) -> None:
    """Change a file without changing its size."""
    file = source / "train/a.png"
    before = file.stat().st_mtime_ns
    file.write_bytes(b"54321")
    os.utime(file, ns=(before + 1000, before + 1000))


@pytest.mark.parametrize("change", [add, remove, rename, move, edit])
def test_a_change_of_the_files_changes_the_digest(change, source):
    before = source_listing("folder", str(source))
    assert before == source_listing("folder", str(source))
    change(source)
    assert source_listing("folder", str(source)).digest != before.digest


def test_moving_the_folder_or_reading_files_changes_nothing(source, tmp_path):
    before = source_listing("folder", str(source))
    assert (before.files, before.bytes) == (3, 15)
    (source / "val/c.png").read_bytes()
    source.rename(tmp_path / "elsewhere")
    assert source_listing("folder", str(tmp_path / "elsewhere")) == before


def test_files_behind_links_count_and_loops_end(source, tmp_path):
    (tmp_path / "more").mkdir()
    (tmp_path / "more/d.png").write_bytes(b"1")
    (source / "test").symlink_to(tmp_path / "more")
    (source / "loop").symlink_to(".")
    before = source_listing("folder", str(source))
    assert before.files == 4
    (tmp_path / "more/e.png").write_bytes(b"1")
    assert source_listing("folder", str(source)).digest != before.digest


def test_a_folder_counts_wherever_a_link_names_it(source):
    """As a validation set that serves for testing, too; a link to it that sorts first must not hide it."""
    before = source_listing("folder", str(source))
    (source / "test").symlink_to("val")
    (source / "also").symlink_to(source / "val")
    assert source_listing("folder", str(source)).files == before.files + 2 * len(list((source / "val").iterdir()))


def test_hidden_and_derived_files_do_not_count(source):
    before = source_listing("cityscapes", str(source))
    (source / ".DS_Store").write_bytes(b"x")
    (source / "train/town_gtFine_labelTrainIds.png").write_bytes(b"x")
    assert source_listing("cityscapes", str(source)) == before
    assert source_listing("folder", str(source)).files == 4


def test_patterns_of_derived_files_are_read_from_the_type():
    from ssr_mmseg.datasets import cityscapes

    assert derived_patterns("cityscapes") == cityscapes.DERIVED
    assert derived_patterns("folder") == derived_patterns("no_such_type") == ()


@pytest.mark.parametrize("source", [None, "", "https://example.org/a.zip", "no/such/folder"])
def test_sources_without_files(source):
    assert source_listing("folder", source) is None


def test_an_archive_counts_as_one_file(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"123")
    listing = source_listing("folder", str(tmp_path / "a.zip"))
    assert (listing.files, listing.bytes) == (1, 3)
