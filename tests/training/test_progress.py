"""What a training tells about its position."""

import json
from types import SimpleNamespace

import pytest

from ssr_mmseg.training.progress import ProgressHook, line


def loop_at(iteration, steps=4, max_epochs=6, earlier=0):
    """A loop of `steps` an epoch that is at `iteration`, after `earlier` epochs of a stage before."""
    epoch = iteration // steps
    gates = {"options_alive": {"depth": 3, "operator": 20}, "cost_ratio": 0.5}
    history = [{"epoch": number + 1, **gates} for number in range(earlier, epoch)]
    sums = {"loss": 3.0}
    return SimpleNamespace(
        iter=iteration, epoch=epoch, steps_per_epoch=steps, max_epochs=max_epochs, history=history, sums=sums, count=2
    )


@pytest.fixture
def hook(tmp_path):
    found = ProgressHook(str(tmp_path / "work/progress.json"), interval=0.0)
    found.before_train(None)
    return found


def test_the_file_tells_position_losses_gates_and_time_left(hook):
    hook.after_train_iter(SimpleNamespace(train_loop=loop_at(9)), batch_idx=1)
    told = json.loads(hook.path.read_text())
    assert (told["iteration"], told["iterations"], told["epoch"], told["epochs"]) == (10, 24, 3, 6)
    assert told["terms"] == {"loss": 1.5}
    assert (told["options_alive"], told["cost_ratio"]) == (23, 0.5)
    assert told["seconds_left"] >= 0
    assert told["updated"] > 0


def test_a_later_stage_counts_from_its_own_start(hook):
    hook.after_train_iter(SimpleNamespace(train_loop=loop_at(17, earlier=4)), batch_idx=1)
    told = json.loads(hook.path.read_text())
    assert (told["iteration"], told["iterations"]) == (2, 8)


def test_a_resumed_training_forecasts_by_its_own_pace(hook):
    hook.began -= 10.0
    hook.begun_at = 12  # resumed there: 2 iterations have taken 10 seconds since
    assert hook.position(loop_at(13))["seconds_left"] == pytest.approx(10 * 5.0, rel=0.1)


def test_it_does_not_write_at_every_step(tmp_path):
    hook = ProgressHook(str(tmp_path / "progress.json"), interval=1e6)
    hook.before_train(None)
    hook.after_train_iter(SimpleNamespace(train_loop=loop_at(5)), batch_idx=1)
    assert not hook.path.exists()
    hook.after_train_iter(SimpleNamespace(train_loop=loop_at(4)), batch_idx=0)
    assert hook.path.exists()


def test_the_line_says_it_in_short(hook):
    text = line({**hook.position(loop_at(11)), "seconds_left": 3723.0}, width=4)
    assert text == "██··  50% · epoch 3/6 · loss 1.5 · 23 options · cost 0.50 · 1:02:03 left"
