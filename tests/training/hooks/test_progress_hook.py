"""Progress reports of a training."""

import json
import logging
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from ssr_mmseg.training.hooks.history_hook import HistoryHook
from ssr_mmseg.training.hooks.progress_bar import line
from ssr_mmseg.training.hooks.progress_hook import ProgressHook

GATES = {"options_alive": 23, "cost_ratio": 0.5}


def runner_at(iteration, steps=4, max_epochs=6, earlier=0):
    """Return a runner with `steps` iterations per epoch at `iteration`, after `earlier` epochs of other stages."""
    epoch = iteration // steps
    records = [{"epoch": number + 1, "loss": 2.0, "hours": 1.0} for number in range(earlier, epoch)]
    history, hub = HistoryHook(), MessageHub("progress")
    history.history.load({"records": records, "sums": {"loss": 3.0}, "count": 2})
    hub.update_info("history", history.history.records)
    hub.update_info("miou_val", 41.0)
    loop = SimpleNamespace(data_wait_share=0.25, facts=lambda: dict(GATES), cleanup=ExitStack())
    return SimpleNamespace(
        iter=iteration,
        epoch=epoch,
        max_epochs=max_epochs,
        max_iters=max_epochs * steps,
        train_loop=loop,
        hooks=[history],
        message_hub=hub,
        logger=logging.getLogger("progress"),
    )


def closed(runner):
    """Move a runner to the end of its epoch, where `after_train_epoch` is called."""
    runner.iter += 1
    (hook,) = runner.hooks
    records = [*hook.history.records, {"epoch": runner.epoch + 1, "loss": 1.0}]
    hook.history.load({"records": records, "sums": {}, "count": 0})


@pytest.fixture
def hook(tmp_path):
    hook = ProgressHook(str(tmp_path / "work/progress.json"), interval=0.0)
    hook.before_train(runner_at(0))
    return hook


def written(hook):
    return json.loads(hook.path.read_text())


def test_the_file_has_position_losses_miou_gates_and_time_left(hook):
    hook.after_train_iter(runner_at(9), batch_idx=1)
    value = written(hook)
    assert (value["iteration"], value["iterations"], value["epoch"], value["epochs"]) == (10, 24, 3, 6)
    assert value["terms"] == {"loss": 1.5}
    assert (value["miou_val"], value["options_alive"], value["cost_ratio"]) == (41.0, 23, 0.5)
    assert value["data_wait_share"] == 0.25
    assert value["seconds_left"] >= 0
    assert value["state"] == "running"
    assert value["updated"] > 0


def test_a_later_stage_counts_from_its_own_start(hook):
    hook.after_train_iter(runner_at(17, earlier=4), batch_idx=1)
    assert (written(hook)["iteration"], written(hook)["iterations"]) == (2, 8)


def test_the_end_of_an_epoch_reports_its_mean_losses(hook):
    runner = runner_at(23, earlier=4)
    hook.after_train_iter(runner, batch_idx=3)
    closed(runner)
    hook.after_train_epoch(runner)
    value = written(hook)
    assert (value["iteration"], value["iterations"], value["epoch"]) == (8, 8, 6)
    assert value["terms"] == {"loss": 1.0}
    assert value["seconds_left"] == 0


def test_a_resumed_training_estimates_the_time_left_from_its_own_pace(hook):
    hook.started -= 10.0
    hook.first_iteration = 12  # resumed there: 2 iterations have taken 10 seconds since
    assert hook.position(runner_at(13))["seconds_left"] == pytest.approx(10 * 5.0, rel=0.1)


def test_the_file_is_not_written_at_every_step(tmp_path):
    hook = ProgressHook(str(tmp_path / "progress.json"), interval=1e6)
    hook.before_train(runner_at(0))
    hook.after_train_iter(runner_at(5), batch_idx=1)
    assert "iteration" not in written(hook)
    hook.after_train_iter(runner_at(4), batch_idx=0)
    assert written(hook)["iteration"] == 5


def test_without_a_terminal_there_are_plain_lines(hook, caplog):
    runner = runner_at(11)
    with caplog.at_level(logging.INFO):
        hook.after_train_iter(runner, batch_idx=3)
        assert caplog.messages == []  # at most one line a minute, and one at the end of an epoch
        closed(runner)
        hook.after_train_epoch(runner)
    (text,) = caplog.messages
    assert text.startswith("iteration 12 of 24, epoch 3 of 6, ")
    assert text.endswith("left: mIoU 41.0 %, 23 options alive, expected cost 0.50, loss 1")
    assert "\033" not in text


def test_missing_figures_are_left_out(hook):
    value = {**hook.position(runner_at(11)), "seconds_left": 3723.0}
    del value["options_alive"], value["cost_ratio"]
    assert line({**value, "miou_val": None}) == "iteration 12 of 24, epoch 3 of 6, 62 min left: loss 1.5"
