"""Reading of the bases of mmengine configs, without running them."""

import pytest

from ssr_mmseg.settings.project_files import mmengine_digest
from ssr_mmseg.utils.config_bases import MAX_BYTES, MAX_FILES, read_config_text
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.mmengine_config import read_mmengine_config

NOT_PYTHON = "is not a valid mmengine config: "
NO_BASE = "_base_: expected the path of a config or a list of them, found "
WRONG = {
    "an integer": (b"_base_ = 5", NO_BASE + "5"),
    "None": (b"_base_ = None", NO_BASE + "None"),
    "a dict": (b"_base_ = {}", NO_BASE + "{}"),
    "a nested list": (b"_base_ = [['b.py']]", NO_BASE + r"\['b.py'\]"),
    "an integer in a list": (b"_base_ = ['b.py', 1]", NO_BASE + "1"),
    "bytes": (b"_base_ = b'b.py'", NO_BASE + "b'b.py'"),
    "an empty text": (b"_base_ = ''", NO_BASE + "''"),
    "a null character": (b"_base_ = 'a\\0b'", NO_BASE),
    "an expression": (b"_base_ = list('a')", NOT_PYTHON),
    "a missing file": (b"_base_ = 'c.py'", "has the base c.py, which does not exist"),
    "a folder": (b"_base_ = 'folder'", "has the base folder, which does not exist"),
    "a device": (b"_base_ = '/dev/zero'", "has the base /dev/zero, which does not exist"),
    "a long name": (b"_base_ = '" + b"x" * 10_000 + b"'", "has the base xxx"),
    "itself": (b"_base_ = 'a.py'", "a.py is a base of itself"),
    "a base of a base": (b"_base_ = 'cycle.py'", "a.py is a base of itself"),
    "a syntax error": (b"model = dict(", NOT_PYTHON + ".*line 1"),
    "a null byte": (b"a = 1\0", NOT_PYTHON),
    "another encoding": (b"a = '\xff'", NOT_PYTHON),
    "deep nesting": (b"a = " + b"-" * 100_000 + b"1", NOT_PYTHON),
    "a long sum": (b"a = " + b"1+" * 50_000 + b"1", NOT_PYTHON),
    "a long number": (b"a = " + b"9" * 5000, NOT_PYTHON),
    "a large file": (b"#" * (MAX_BYTES + 1), f"is larger than {MAX_BYTES} bytes"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "b.py").write_text("b = 1\n")
    (tmp_path / "cycle.py").write_text("_base_ = ['./a.py']\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("read", [mmengine_digest, lambda path: read_mmengine_config(path, str(path))])
@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_one_line(folder, mistake, read):
    content, message = WRONG[mistake]
    (folder / "a.py").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read(folder / "a.py")
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_bases_are_read_in_their_order_and_those_of_packages_are_left_out(folder):
    (folder / "c.py").write_text("_base_ = 'b.py'\n")
    (folder / "a.py").write_text("_base_ = ['c.py', 'mmseg::_base_/models/fcn_unet_s5-d16.py', './b.py']\n")
    text = read_config_text(folder / "a.py")
    assert [base.path.name for base in text.bases] == ["c.py", "b.py"]
    assert [base.path.name for base in text.bases[0].bases] == ["b.py"]


def test_bases_that_multiply_are_refused(folder):
    for number in range(1, 31):
        (folder / f"{number}.py").write_text(f"_base_ = ['{number - 1}.py', './{number - 1}.py']\n")
    (folder / "0.py").write_text("a = 1\n")
    with pytest.raises(UserError, match=f"more than {MAX_FILES} files"):
        mmengine_digest(folder / "30.py")
    assert mmengine_digest(folder / "5.py")


def test_the_digest_changes_with_a_base_and_not_with_comments(folder):
    (folder / "a.py").write_text("_base_ = ['b.py']\n")
    before = mmengine_digest(folder / "a.py")
    (folder / "b.py").write_text("b = 1  # one\n")
    assert mmengine_digest(folder / "a.py") == before
    (folder / "b.py").write_text("b = 2\n")
    assert mmengine_digest(folder / "a.py") != before
