"""State files on disk: written atomically, read as data."""

import errno
import os
from pathlib import Path

import pytest
import torch

from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError

STATE = {"iteration": 3, "model": {"w": torch.arange(12.0).view(3, 4)}, "history": [{"loss": 0.5}], "name": "α"}


def test_a_state_reads_back(tmp_path):
    save_state(tmp_path / "s.pth", STATE)
    state = load_state(tmp_path / "s.pth")
    assert torch.equal(state.pop("model")["w"], STATE["model"]["w"])
    assert state == {key: value for key, value in STATE.items() if key != "model"}
    assert [path.name for path in tmp_path.iterdir()] == ["s.pth"]


@pytest.mark.parametrize("length", [0, 10, 400, -30])
def test_a_truncated_state_is_one_line(tmp_path, length):
    save_state(tmp_path / "s.pth", STATE)
    data = (tmp_path / "s.pth").read_bytes()
    (tmp_path / "s.pth").write_bytes(data[:length])
    with pytest.raises(UserError, match=r"s\.pth is not a readable state file .*; delete it and run the stage again"):
        load_state(tmp_path / "s.pth")


def test_a_flipped_bit_is_detected(tmp_path):
    save_state(tmp_path / "s.pth", {"w": torch.zeros(4096)})
    data = bytearray((tmp_path / "s.pth").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "s.pth").write_bytes(data)
    with pytest.raises(UserError, match="is damaged"):
        load_state(tmp_path / "s.pth")


class Payload:
    """Code in a pickle that runs when the pickle is read."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code from a file was run')",))


@pytest.mark.parametrize("value", [Payload(), {"model": Payload()}, [1, 2]])
def test_nothing_but_a_dictionary_of_data_is_read(tmp_path, value):
    torch.save(value, tmp_path / "s.pth")
    with pytest.raises(UserError, match=r"s\.pth (is not a readable state file|contains a list)"):
        load_state(tmp_path / "s.pth")


def test_a_full_disk_keeps_the_previous_state(tmp_path, monkeypatch):
    save_state(tmp_path / "s.pth", STATE)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        save_state(tmp_path / "s.pth", {"iteration": 4})
    assert load_state(tmp_path / "s.pth")["iteration"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["s.pth"]


def test_a_device_and_a_pipe_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe", tmp_path):
        with pytest.raises(UserError, match=f"^{path} is not a file, expected a state or weights"):
            load_state(path)


def test_a_missing_state_names_the_remedy(tmp_path):
    with pytest.raises(UserError, match="not found; make it with: snakemake --cores all "):
        load_state(tmp_path / "s.pth")
