import hashlib
import tarfile

import pytest

from ssr_mmseg.datasets.preparation import source
from ssr_mmseg.datasets.preparation.source import find_root, obtain
from ssr_mmseg.utils.errors import UserError


def settings(path, **options):
    return {"name": "own", "type": "folder", "source": None if path is None else str(path), "options": options}


@pytest.fixture
def packed(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("1")
    with tarfile.open(tmp_path / "tree.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "tree", "tree")
    return tmp_path / "tree.tar.gz"


def test_a_folder_stays_in_place(tmp_path):
    assert obtain(settings(tmp_path), tmp_path / "out") == tmp_path
    assert not (tmp_path / "out").exists()


def test_archive_is_unpacked(packed, tmp_path):
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    folder = obtain(settings(packed, sha256=digest.upper()), tmp_path / "out")
    assert folder == tmp_path / "out" / "data"
    assert (folder / "tree" / "a").read_text() == "1"


def test_wrong_sha256(packed, tmp_path):
    with pytest.raises(UserError, match=r"SHA-256 [0-9a-f]{64} but options.sha256 is 00"):
        obtain(settings(packed, sha256="00"), tmp_path / "out")
    assert packed.exists()
    assert not (tmp_path / "out").exists()


def test_limits_are_options(packed, tmp_path):
    with pytest.raises(UserError, match="raise options"):
        obtain(settings(packed, max_files=1), tmp_path / "out")
    with pytest.raises(UserError, match="raise options"):
        obtain(settings(packed, max_bytes=0), tmp_path / "out")


def test_an_invalid_download_is_deleted(packed, tmp_path, monkeypatch):
    kept = tmp_path / "kept"

    def fake_download(url, folder, max_bytes):
        kept.write_bytes(packed.read_bytes()[:-20])
        return kept

    monkeypatch.setattr(source, "download", fake_download)
    digest = hashlib.sha256(packed.read_bytes()[:-20]).hexdigest()
    for expected, match in ((digest, "damaged"), ("00", "but options.sha256 is 00")):
        with pytest.raises(UserError, match=match):
            obtain(settings("https://example.org/a.tar.gz", sha256=expected), tmp_path / "out")
        assert not kept.exists()


def test_a_download_without_a_sha256_is_not_unpacked(packed, tmp_path, monkeypatch):
    monkeypatch.setattr(source, "download", lambda *_: packed)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"has the SHA-256 {digest}; compare it with .*set options.sha256 to it"):
        obtain(settings("https://example.org/a.tar.gz"), tmp_path / "out")
    assert packed.exists()
    assert not (tmp_path / "out").exists()
    assert obtain(settings("https://example.org/a.tar.gz", sha256=digest), tmp_path / "out").is_dir()


@pytest.mark.parametrize("value", ["abc", 1.5, True, -1, None, [1]])
@pytest.mark.parametrize("key", ["max_bytes", "max_files"])
def test_limits_must_be_non_negative_integers(packed, tmp_path, key, value):
    with pytest.raises(UserError, match=f"options.{key} must be a non-negative integer"):
        obtain(settings(packed, **{key: value}), tmp_path / "out")


@pytest.mark.parametrize(
    ("path", "match"),
    [
        (None, "type folder needs a source"),
        ("x" * 5000, "does not exist"),
        ("a\0b", "does not exist"),
        ("no/such/folder", "source no/such/folder does not exist"),
        ("http://example.org/a.zip", "not an https URL"),
    ],
)
def test_bad_sources(path, match, tmp_path):
    with pytest.raises(UserError, match=match):
        obtain(settings(path), tmp_path / "out")


def test_the_nearest_root_is_found(tmp_path):
    for place in ("one/two", "one/two/three", "__MACOSX/two"):
        (tmp_path / place / "train").mkdir(parents=True)
        (tmp_path / place / "trainannot").mkdir()
    (tmp_path / "train").mkdir()  # without its labels
    assert find_root(tmp_path, ["train", "trainannot"]) == tmp_path / "one" / "two"


def test_no_root_and_two_roots(tmp_path):
    with pytest.raises(UserError, match=r"no folder .* contains train and trainannot; see docs/datasets.md"):
        find_root(tmp_path, ["train", "trainannot"])
    for place in ("a", "b"):
        (tmp_path / place / "train").mkdir(parents=True)
    with pytest.raises(UserError, match=r"both .*a and .*b contain train"):
        find_root(tmp_path, ["train"])
