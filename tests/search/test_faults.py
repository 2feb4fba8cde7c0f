"""Faults during a training lose nothing: the result is that of an uninterrupted run."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from patience import PATIENCE
from tiny_experiment import DATASET, assert_same_state, experiment, metrics

from ssr_mmseg.cli import main
from ssr_mmseg.jobs import preemption
from ssr_mmseg.jobs.preemption import RESUMABLE
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.step import TwoPhaseStep
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils import files
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import write_json

STATE, METRICS = paths.state_path({}, DATASET, 0, 0), paths.stage_metrics_path({}, DATASET, 0, 0)


def work() -> Path:
    """Return the work folder of the only training that has not finished."""
    (folder,) = (folder for folder in Path("results/work").iterdir() if not (folder / "finished").exists())
    return folder


def saved(name: str = "state.pth") -> int:
    """Return the number of finished iterations in a saved state."""
    return load_state(work() / name)["iteration"]


def finish_and_compare(finished: Path) -> str:
    """Run the search again, check that its result is that of the uninterrupted one, and return its log."""
    search(experiment(), DATASET, 0)
    assert_same_state(load_state(STATE), load_state(finished / STATE))
    assert metrics(METRICS) == metrics(finished / METRICS)
    logs = sorted((STATE.parent / "log").rglob("*.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1].read_text()


@pytest.fixture
def at_iteration(monkeypatch):
    """A function that makes a search call `act(loop)` once, before iteration `number`, counted from 1."""

    def install(number: int, act: Callable[[SearchLoop], object]) -> None:
        iterate, pending = SearchLoop.run_iter, [act]

        def run_iter(self, idx, data_batch):
            if self.iter + 1 == number and pending:
                pending.pop()(self)
            iterate(self, idx, data_batch)

        monkeypatch.setattr(SearchLoop, "run_iter", run_iter)

    return install


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 8
    path.write_bytes(data)


def test_a_damaged_state_is_replaced_by_the_one_before(finished, workplace, stopped):
    workplace("run")
    stopped(SearchLoop, 3, search, experiment(), DATASET, 0)
    assert (saved(), saved("previous.pth")) == (3, 2)
    flip_a_bit(work() / "state.pth")
    log = finish_and_compare(finished)
    (line,) = [line for line in log.splitlines() if "continuing from" in line]
    assert "state.pth is " in line
    assert "previous.pth" in line
    assert "resumed at iteration 2" in log


def test_without_an_intact_state_the_training_starts_over(finished, workplace, stopped):
    workplace("run")
    stopped(SearchLoop, 3, search, experiment(), DATASET, 0)
    for name in ("state.pth", "previous.pth"):
        truncate(work() / name)
    log = finish_and_compare(finished)
    assert len([line for line in log.splitlines() if "no state is left, so the training starts over" in line]) == 1
    assert "resumed at" not in log


def test_another_configuration_starts_over(workplace, stopped, at_iteration):
    workplace("run")
    stopped(SearchLoop, 3, search, experiment(), DATASET, 0)
    begun = []
    at_iteration(1, begun.append)
    search(experiment(threshold=0.7), DATASET, 0)
    assert begun
    assert saved() == 3, "the state of the first configuration must be kept"


def test_a_loss_that_is_not_finite_stops_the_training_and_keeps_the_last_state(workplace, at_iteration):
    workplace("run")
    poison = torch.tensor(float("nan"))
    with pytest.MonkeyPatch.context() as patch:
        at_iteration(3, lambda loop: patch.setattr(loop.objective, "cost_ratio", lambda _: poison))
        with pytest.raises(UserError) as raised:
            search(experiment(), DATASET, 0)
    line = str(raised.value)
    assert line.startswith(
        "the training has diverged: loss_architecture is nan, loss_cost is nan at iteration 3 (epoch 2)"
    )
    assert "lower the learning rate" in line
    assert saved() == 2


def test_a_state_that_is_not_finite_is_never_saved(workplace, at_iteration, monkeypatch):
    """The loss of an iteration may be finite although its step corrupts the weights."""
    workplace("run")
    step = torch.optim.Adam.step

    def ruin(loop):
        def ruined(optimizer, *arguments, **options):
            step(optimizer, *arguments, **options)
            optimizer.param_groups[0]["params"][0].data.fill_(float("inf"))

        patch.setattr(torch.optim.Adam, "step", ruined)
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        at_iteration(3, ruin)
        patch.setattr(TwoPhaseStep, "learn_architecture", lambda *_: {})
        with pytest.raises(UserError, match=r"model\.\S+ is not finite at iteration 3 \(epoch 2\)"):
            search(experiment(), DATASET, 0)
    assert saved() == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_missing_data_stop_the_training_in_one_line(finished, workplace, at_iteration, tmp_path, workers):
    """It continues from that iteration once the data are back."""
    folder = workplace("run")
    images = folder / "results" / DATASET / "prepare/data/train/images"
    config = experiment(config=config_with(tmp_path, workers))
    at_iteration(1, lambda loop: images.rename(images.with_name("gone")))
    with pytest.raises(UserError) as raised:
        search(config, DATASET, 0)
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith("could not read ")
    assert str(Path("train/images")) in line
    assert "put it back" in line
    finished_iterations = saved()
    assert finished_iterations >= 1
    images.with_name("gone").rename(images)
    begun = []
    at_iteration(finished_iterations + 1, begun.append)
    search(config, DATASET, 0)
    assert begun
    assert_same_state(load_state(STATE), load_state(finished / STATE))


def config_with(folder: Path, workers: int) -> str:
    """Return the default mmengine config with the given number of loader processes."""
    path = folder / f"config_{workers}.py"
    base = str(PROJECT / "config/mmseg/supernet_streets.py")
    path.write_text(f"_base_ = [{base!r}]\ntrain_dataloader = dict(num_workers={workers})\n")
    return str(path)


def test_a_full_disk_stops_the_training_in_one_line_and_keeps_its_state(workplace, at_iteration, monkeypatch):
    workplace("run")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        at_iteration(4, lambda loop: patch.setattr(files.os, "fsync", full))
        with pytest.raises(UserError, match=r"could not write \S+: No space left on device; free space or"):
            search(experiment(), DATASET, 0)
    assert saved() == 2


def run_search(config: dict, script: str) -> subprocess.CompletedProcess:
    """Run `script` and then the command `search` in a new process."""
    write_json(Path("own.json"), config)
    arguments = ["search", "--config", "own.json", "--dataset", DATASET]
    code = f"{script}\nimport sys\nfrom ssr_mmseg.cli import main\nsys.exit(main({arguments!r}))\n"
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def test_a_file_that_may_not_grow_is_one_line(workplace, stopped):
    """The kernel itself refuses to write beyond a limit."""
    workplace("run")
    stopped(SearchLoop, 1, search, experiment(), DATASET, 0)
    limit = (work() / "state.pth").stat().st_size // 2
    call = run_search(experiment(), f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit},) * 2)")
    assert call.returncode == 2
    (line,) = [line for line in call.stderr.splitlines() if line.startswith("ssr-mmseg:")]
    assert "next.pth: File too large; free space" in line
    assert "Traceback" not in call.stderr
    assert saved() == 1
    # On a slow machine the progress is written before the state.
    left = {path.name for path in work().iterdir() if path.is_file()}
    assert left - {"progress.json"} == {"lock", "state.pth"}


STOP_THE_GROUP = """
import os, signal
from ssr_mmseg.jobs import preemption
preemption.GRACE = 3600.0
from ssr_mmseg.search.loop import SearchLoop
from ssr_mmseg.search.step import TwoPhaseStep
os.setsid()
iterate = SearchLoop.run_iter
def run_iter(self, idx, data_batch):
    if self.iter == 2:
        os.killpg(0, signal.SIGTERM)
    iterate(self, idx, data_batch)
SearchLoop.run_iter = run_iter
"""


def test_a_signal_to_the_whole_process_group_saves_the_state(finished, workplace, tmp_path):
    """Slurm and a terminal send the signal to every process of a job, including the loader processes."""
    workplace("run")
    config = experiment(config=config_with(tmp_path, 2))
    call = run_search(config, STOP_THE_GROUP)
    assert call.returncode == RESUMABLE, call.stderr
    assert call.stderr.splitlines()[-1] == "ssr-mmseg: stopped by SIGTERM; run again to resume"
    assert saved() == 3
    search(config, DATASET, 0)
    assert_same_state(load_state(STATE), load_state(finished / STATE))


def test_a_time_budget_stops_and_resumes_a_training(finished, workplace, at_iteration, monkeypatch, capfd):
    workplace("run")
    write_json(Path("own.json"), experiment())
    clock = time.monotonic

    def let_the_time_pass(loop):
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 3600)
        while not preemption.requested():
            time.sleep(0.01)

    at_iteration(3, let_the_time_pass)
    assert main(["search", "--config", "own.json", "--dataset", DATASET, "--time-budget", "1h"]) == RESUMABLE
    last = capfd.readouterr().err.splitlines()[-1]
    assert last == "ssr-mmseg: stopped by the end of the time budget; run again to resume"
    assert saved() == 3
    finish_and_compare(finished)


def test_the_time_of_day_does_not_matter(finished, workplace, at_iteration, monkeypatch):
    workplace("run")
    wall = time.time
    at_iteration(2, lambda loop: monkeypatch.setattr(time, "time", lambda: wall() - 1e8))
    finish_and_compare(finished)
    assert 0 < files.read_json(METRICS)["hours"] < 1
