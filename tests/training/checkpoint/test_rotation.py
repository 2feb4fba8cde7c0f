"""Two states on disk, of which one is always complete."""

import errno
import os

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ssr_mmseg.training.checkpoint import rotation as module
from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.training.checkpoint.state_file import DamagedStateError, load_state, save_state
from ssr_mmseg.utils.errors import UserError


def state(number: int) -> dict:
    return {"iteration": number, "model": {"w": torch.arange(64.0) + number}, "history": [{"loss": 0.5}], "name": "α"}


@pytest.fixture
def kept(tmp_path) -> Checkpoints:
    """Two saves: iteration 1, then iteration 2."""
    checkpoints = Checkpoints(tmp_path / "state.pth")
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    return checkpoints


def load(checkpoints: Checkpoints) -> tuple[int | None, list[str]]:
    warnings: list[str] = []
    loaded = checkpoints.load(warnings.append)
    return (loaded["iteration"] if loaded else None), warnings


def test_the_newest_two_are_kept(kept, tmp_path):
    kept.save(state(3))
    assert load(kept) == (3, [])
    assert load_state(kept.previous)["iteration"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["previous.pth", "state.pth"]


def test_without_a_file_there_is_no_warning(tmp_path):
    assert load(Checkpoints(tmp_path / "state.pth")) == (None, [])


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_state_is_replaced_by_the_one_before_and_removed(kept, length):
    kept.newest.write_bytes(kept.newest.read_bytes()[:length])
    number, (line,) = load(kept)
    assert number == 1
    assert line.startswith(f"{kept.newest} is not a readable state file (")
    assert line.endswith(f"; continuing from {kept.previous}")
    kept.save(state(7))
    assert load(kept) == (7, [])
    assert load_state(kept.previous)["iteration"] == 1


def test_two_damaged_states_are_one_line(kept):
    for path in (kept.newest, kept.previous):
        path.write_bytes(b"\0" * 100)
    number, (line,) = load(kept)
    assert number is None
    assert "state.pth is not a readable state file" in line
    assert "previous.pth is not a readable state file" in line
    assert line.endswith("no state is left, so the training starts over")
    assert load(kept) == (None, []), "the warning appears once"


@pytest.mark.parametrize("moves", [0, 1])
def test_a_kill_between_the_renames_leaves_a_state(kept, monkeypatch, moves):
    replace, renamed = os.replace, []

    def killed(source, target):
        if os.path.basename(source) in ("state.pth", "next.pth"):
            if len(renamed) == moves:
                raise KeyboardInterrupt
            renamed.append(source)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.save(state(3))
    assert load(kept) == (2, [])
    kept.save(state(3))
    assert load(kept) == (3, [])


def test_a_disk_error_is_reported_and_nothing_is_removed(kept, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(kept.newest), "read_bytes", fails)
        with pytest.raises(UserError, match=r"could not read \S+state.pth: Input/output error; check the disk"):
            load(kept)
    assert load(kept) == (2, [])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_detected_or_has_no_effect(tmp_path, data):
    path = tmp_path / "state.pth"
    save_state(path, state(5))
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, 8 * len(content) - 1))
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)
    try:
        loaded = load_state(path)
    except DamagedStateError:
        return
    expected = state(5)
    assert torch.equal(loaded.pop("model")["w"], expected.pop("model")["w"])
    assert loaded == expected
