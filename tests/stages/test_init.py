"""The command `init`: all files or none."""

import pytest

from ssr_mmseg.stages.init import init
from ssr_mmseg.utils.errors import UserError


@pytest.mark.parametrize("name", ["profiles", "config", "profiles/slurm"])
def test_nothing_is_written_if_a_file_is_in_place_of_a_folder(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"{name} is a file, expected a folder"):
        init(tmp_path, "camvid")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_with_a_strange_name_is_shown_without_its_control_characters(tmp_path, capsys):
    init(tmp_path / "a\x1b[2Jb", "camvid")
    assert (tmp_path / "a\x1b[2Jb/Snakefile").is_file()
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
