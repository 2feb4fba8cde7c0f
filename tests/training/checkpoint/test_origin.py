"""Files that say which training they are of."""

from pathlib import Path

import pytest
import torch

from ssr_mmseg.training.checkpoint.origin import KEY, check_origin
from ssr_mmseg.training.checkpoint.rotation import Checkpoints
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.utils.errors import UserError

EXPECTED = {"dataset": "town", "seed": 0, "identity": "abc"}


def test_a_file_of_the_same_training_is_accepted_without_a_word():
    check_origin(Path("s.pth"), "state", {**EXPECTED, "more": 1}, EXPECTED, pytest.fail)


def test_a_file_that_says_nothing_is_accepted_with_one_line(capfd):
    check_origin(Path("s.pth"), "state", None, EXPECTED)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("s.pth does not say which training it is of")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        (
            {**EXPECTED, "seed": 1},
            r"s\.pth is the state of another training \(seed 1, expected 0\); put back the right",
        ),
        ({**EXPECTED, "seed": False}, "seed False, expected 0"),
        ({**EXPECTED, "seed": 0.0}, r"seed 0\.0, expected 0"),
        ({**EXPECTED, "seed": torch.zeros(3)}, r"seed tensor\(\[0\., 0\., 0\.\]\), expected 0"),
        ({**EXPECTED, "identity": "x\n\x1b[2J" * 99}, r"identity x \\x1b\[2J"),
        ({"seed": 0}, "dataset None, expected town; identity None, expected abc"),
        ({}, "seed None, expected 0"),
        ([], "seed None, expected 0"),
        (0, "seed None, expected 0"),
        ("abc", "seed None, expected 0"),
    ],
)
def test_a_file_of_another_training_is_refused_in_one_line(given, match):
    with pytest.raises(UserError, match=match) as caught:
        check_origin(Path("s.pth"), "state", given, EXPECTED, pytest.fail)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.fixture
def states(tmp_path) -> tuple[Checkpoints, Checkpoints]:
    """The states of two seeds, each saved twice."""
    both = tuple(Checkpoints(tmp_path / str(seed) / "state.pth", {**EXPECTED, "seed": seed}) for seed in (0, 1))
    for checkpoints in both:
        for iteration in (1, 2):
            checkpoints.save({"iteration": iteration})
    return both


def test_a_state_says_which_training_it_is_of(states):
    assert load_state(states[1].newest)[KEY] == {**EXPECTED, "seed": 1}
    assert states[1].load(pytest.fail)["iteration"] == 2


def test_a_state_of_another_seed_is_refused_and_stays(states):
    first, second = states
    second.newest.replace(first.newest)
    with pytest.raises(UserError, match=r"0/state\.pth is the state of another training \(seed 1, expected 0\)"):
        first.load(pytest.fail)
    assert load_state(first.newest)[KEY]["seed"] == 1
    first.newest.unlink()
    assert first.load(pytest.fail)["iteration"] == 1, "the one before is that of the training"


def test_a_state_of_another_seed_in_place_of_the_one_before_is_refused_when_it_is_needed(states):
    first, second = states
    second.newest.replace(first.previous)
    assert first.load(pytest.fail)["iteration"] == 2
    first.newest.write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"0/previous\.pth is the state of another training \(seed 1, expected 0\)"):
        first.load(lambda line: None)


def test_a_state_of_an_earlier_version_is_continued_from_and_noted_once(states):
    first, _ = states
    save_state(first.newest, {"iteration": 7})
    notes: list[str] = []
    assert [first.load(notes.append)["iteration"] for _ in range(2)] == [7, 7]
    assert len(notes) == 1
    first.save(first.load(notes.append))
    assert load_state(first.newest)[KEY] == EXPECTED


def test_without_an_origin_nothing_is_said_and_nothing_is_checked(tmp_path, states):
    checkpoints = Checkpoints(tmp_path / "state.pth")
    checkpoints.save({"iteration": 1})
    assert load_state(checkpoints.newest) == {"iteration": 1}
    states[1].newest.replace(checkpoints.newest)
    assert checkpoints.load(pytest.fail)["iteration"] == 2
