"""Two states on disk, of which one is always whole."""

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
    """Two saves: iteration 2 behind iteration 1."""
    checkpoints = Checkpoints(tmp_path / "state.pth")
    checkpoints.save(state(1))
    checkpoints.save(state(2))
    return checkpoints


def load(checkpoints: Checkpoints) -> tuple[int | None, list[str]]:
    told: list[str] = []
    found = checkpoints.load(told.append)
    return (found["iteration"] if found else None), told


def test_the_newest_two_are_kept(kept, tmp_path):
    kept.save(state(3))
    assert load(kept) == (3, [])
    assert load_state(kept.previous)["iteration"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["previous.pth", "state.pth"]


def test_without_a_file_there_is_nothing_to_say(tmp_path):
    assert load(Checkpoints(tmp_path / "state.pth")) == (None, [])


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_truncated_one_gives_way_and_is_not_kept_in_the_place_of_the_good_one(kept, length):
    kept.newest.write_bytes(kept.newest.read_bytes()[:length])
    number, (line,) = load(kept)
    assert number == 1
    assert line.startswith(f"{kept.newest} is no readable state (")
    assert line.endswith(f"; going on from {kept.previous}")
    kept.save(state(7))
    assert load(kept) == (7, [])
    assert load_state(kept.previous)["iteration"] == 1


def test_two_damaged_ones_are_one_line(kept):
    for path in (kept.newest, kept.previous):
        path.write_bytes(b"\0" * 100)
    number, (line,) = load(kept)
    assert number is None
    assert "state.pth is no readable state" in line
    assert "previous.pth is no readable state" in line
    assert line.endswith("no state is left, so the training begins anew")
    assert load(kept) == (None, []), "said once"


@pytest.mark.parametrize("moves", [0, 1])
def test_a_kill_between_the_moves_leaves_a_state(kept, monkeypatch, moves):
    replace, made = os.replace, []

    def killed(source, target):
        if os.path.basename(source) in ("state.pth", "next.pth"):
            if len(made) == moves:
                raise KeyboardInterrupt
            made.append(source)
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(module.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            kept.save(state(3))
    assert load(kept) == (2, [])
    kept.save(state(3))
    assert load(kept) == (3, [])


def test_a_disk_that_fails_is_an_error_and_nothing_is_removed(kept, monkeypatch):
    def fails(*_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(kept.newest), "read_bytes", fails)
        with pytest.raises(UserError, match=r"could not read \S+state.pth: Input/output error; check the disk"):
            load(kept)
    assert load(kept) == (2, [])


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_flipped_bit_is_noticed_or_without_effect(tmp_path, data):
    path = tmp_path / "state.pth"
    save_state(path, state(5))
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, 8 * len(content) - 1))
    content[position // 8] ^= 1 << position % 8
    path.write_bytes(content)
    try:
        found = load_state(path)
    except DamagedStateError:
        return
    expected = state(5)
    assert torch.equal(found.pop("model")["w"], expected.pop("model")["w"])
    assert found == expected
