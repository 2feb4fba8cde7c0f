"""Status of an experiment, from files only."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssr_mmseg import settings
from ssr_mmseg.cli import main
from ssr_mmseg.jobs import job_state, status
from ssr_mmseg.jobs.job import Job, ablation_jobs, contest_jobs, jobs
from ssr_mmseg.jobs.progress import progress_path
from ssr_mmseg.settings import paths

NOW = time.time()
RUNNING = {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "started": NOW, "updated": NOW}
TRAINING = {
    "iteration": 30,
    "iterations": 120,
    "epoch": 2,
    "epochs": 8,
    "seconds_left": 300.0,
    "terms": {"loss_weights": 1.25},
    "miou_val": 41.25,
    "options_alive": 23,
    "cost_ratio": 0.5,
}
SHRINK = "shrink/town-seed0-1"
TABLE = "dataset,network,seed\ntown,searched,0\ntown,random,0\ntown,erfnet,0\n"


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    town = {"type": "streets", "size": [64, 64]}
    networks = ["searched", "random", "erfnet"]
    return settings.complete({"datasets": {"town": town}, "networks": networks, "search": {"shrink_stages": 1}})


def write(path, text="{}"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def record(job, **facts):
    write(progress_path({}, job), json.dumps({**RUNNING, **facts}))


def states(config):
    return {job.name: job_state.job_status(config, job, NOW) for job in jobs(config)}


def state_of(config, job):
    job_status = states(config)[job]
    return job_status.state, job_status.message


def shown(config):
    return status.as_text(status.overview(config, NOW))


def test_every_job_is_listed_and_waits_at_first(config):
    statuses = states(config)
    assert len(statuses) == 1 + 2 + 2 + 3 * 3 + 1 + 3
    assert {(job.state, job.message) for job in statuses.values()} == {("waiting", "")}
    assert shown(config).endswith("0 of 18 done, 18 waiting")


def test_a_teacher_is_listed_once_before_its_students(config):
    taught = settings.merge(config, {"retrain": {"distill": {"teacher": "stdc1"}}})
    listed, plain = ([job.name for job in jobs(one)] for one in (taught, config))
    added = [name for name in listed if name not in plain]
    trained = {job.dataset for job in jobs(config) if job.stage == "retrain" and "@" not in job.dataset}
    assert sorted(added) == sorted(
        f"retrain/{dataset}-seed{seed}-stdc1" for dataset in trained for seed in config["seeds"]
    )
    assert len(set(listed)) == len(listed)
    for name in added:
        first = next(job for job in listed if job.startswith(name.removesuffix("stdc1")))
        assert first == name


def test_a_running_training_shows_its_progress(config):
    record(SHRINK, **TRAINING)
    message = "25%, epoch 2 of 8, loss 1.25, mIoU 41.2 %, 23 options alive, expected cost 0.50, 5 min left"
    assert state_of(config, SHRINK) == ("running", message)
    assert f"▶ shrink 1: running, {message}" in shown(config)
    record("table")
    (table,) = [job for job in jobs(config) if job.stage == "table"]
    assert job_state.job_status(config, table, NOW + 30).message == "for 30 s"


def test_a_job_whose_process_is_gone_has_failed(config):
    record(SHRINK, **TRAINING, started=1000.0)  # long before this process, which has that id now
    write(paths.LOG.format(job=SHRINK), "Killed\n\n")
    state, message = state_of(config, SHRINK)
    assert state == "failed"
    assert message == f"process {os.getpid()} on {socket.gethostname()} disappeared; its log ends with: Killed"


def test_a_stopped_training_shows_how_far_it_came(config):
    record(SHRINK, **TRAINING, state="interrupted")
    assert state_of(config, SHRINK) == ("interrupted", "stopped at 25%; run it again to resume")


def test_a_failed_job_shows_its_message(config):
    record("evaluate/town-seed0-erfnet", state="failed", message="results/x is damaged; delete it")
    assert state_of(config, "evaluate/town-seed0-erfnet") == ("failed", "results/x is damaged; delete it")
    assert "✗ evaluate erfnet: failed, results/x is damaged; delete it" in shown(config)
    assert "17 waiting" in shown(config)


def test_a_job_that_failed_before_its_first_record_shows_its_log(config):
    log = paths.LOG.format(job="evaluate/town-seed0-erfnet")
    write(log, "reading\nssr-mmseg: results/x is damaged; delete it\nexit\n")
    assert state_of(config, "evaluate/town-seed0-erfnet") == ("failed", "ssr-mmseg: results/x is damaged; delete it")
    write(log, "")
    assert state_of(config, "evaluate/town-seed0-erfnet") == ("waiting", "")
    write("results/logs/table.log", "ssr-mmseg: no such row\n")
    assert state_of(config, "table") == ("failed", "ssr-mmseg: no such row")


def test_a_job_with_a_result_is_done_unless_it_runs_again(config):
    write(paths.stage_metrics_path({}, "town", 0, 1))
    assert state_of(config, SHRINK) == ("done", "")
    record(SHRINK, state="failed", message="an earlier attempt")
    assert state_of(config, SHRINK) == ("done", "")
    record(SHRINK)
    assert state_of(config, SHRINK)[0] == "running"
    paths.stage_metrics_path({}, "town", 0, 1).unlink()
    record(SHRINK, state="done", ended=NOW)
    assert state_of(config, SHRINK) == ("waiting", "")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": "odd"}', json.dumps({**RUNNING, "iteration": "x"})])
def test_a_damaged_progress_file_is_ignored(config, text):
    write(progress_path({}, SHRINK), text)
    assert state_of(config, SHRINK) == ("waiting", "")


def test_the_work_left_is_estimated_from_finished_jobs():
    def one(stage, state, **times):
        return job_state.JobStatus(Job(stage), state, **times)

    done = [one("retrain", "done", taken=seconds) for seconds in (60.0, 80.0, 400.0)] + [one("prepare", "done")]
    assert job_state.work_left(done) == (0.0, 0)
    rest = [one("retrain", "waiting"), one("shrink", "running", left=7.0), one("evaluate", "waiting")]
    assert job_state.work_left([*done, *rest]) == (87.0, 1)
    assert job_state.summary([*done, *rest]) == "4 of 7 done, 1 running, 2 waiting, more than 87 s of work left"
    assert job_state.work_left([one("search", "done", taken=9.0), one("shrink", "waiting")]) == (9.0, 0)


def test_the_ablation_is_shown_once_it_has_begun(config):
    one = {"dataset": "town", "seeds": [0, 3], "search": {}, "retrain": False, "dimensions": {"depth": ["depth"]}}
    blocks = [{"regularizer": ["ssr", "none"], "shrink": [True], "dimensions": ["depth"]}]
    whole = settings.complete({**config, "ablation": {**one, "blocks": blocks}})
    assert len(list(ablation_jobs(whole))) == 2 * 2 * 2 + 1
    assert "ablation" not in shown(whole)
    for stage in (0, 1):
        write(paths.stage_metrics_path({}, "ablation/ssr-shrink-depth", 0, stage))
    record("search/ablation/none-shrink-depth-seed3", state="failed", message="out of memory")
    lines = shown(whole).splitlines()
    start = lines.index("ablation")
    assert lines[start + 1].split() == ["seed", "0", "seed", "3"]
    assert lines[start + 2].split() == ["ssr-shrink-depth", "✓", "·"]
    assert lines[start + 3].split() == ["none-shrink-depth", "·", "✗"]
    assert lines[start + 4].strip() == "✗ search of none-shrink-depth, seed 3: failed, out of memory"
    assert lines[-1].startswith("2 of 9 done, 1 failed, 6 waiting")
    retrained = settings.complete({**config, "ablation": {**one, "blocks": blocks, "retrain": True}})
    assert len(list(ablation_jobs(retrained))) == 2 * 2 * (2 + 1 + 2) + 1


def test_no_search_is_listed_without_searched_networks(config):
    stages = {job.stage for job in jobs({**config, "networks": ["erfnet"]})}
    assert stages == {"prepare", "retrain", "evaluate", "profile", "table", "summary", "report"}


def test_the_command_prints_it_and_watching_ends_when_all_jobs_are_done(config, monkeypatch, capsys):
    Path("own.yaml").write_text(json.dumps(config))
    assert main(["status", "--config", "own.yaml"]) == 0
    assert "0 of 18 done" in capsys.readouterr().out
    waits = []

    def finish(seconds):
        waits.append(seconds)
        for job in jobs(config):
            write(job.result, TABLE if job.stage == "table" else "{}")

    monkeypatch.setattr(time, "sleep", finish)
    assert main(["status", "--config", "own.yaml", "--watch"]) == 0
    assert len(waits) == 1
    out = capsys.readouterr().out
    assert "18 of 18 done" in out
    assert "\033" not in out  # no terminal, no control sequences


def test_status_imports_neither_torch_nor_pandas():
    code = "import sys, ssr_mmseg.jobs.status; print({'torch', 'mmengine', 'altair', 'pandas'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=paths.PROJECT)
    assert result.stdout.strip() == "set()"


def test_the_contest_is_shown_once_it_has_begun(config):
    whole = settings.complete({**config, "networks": ["searched", "random"], "contest": {"ranking": 3}})
    datasets = len(settings.dataset_names(whole))
    assert len(list(contest_jobs(whole))) == datasets * (2 + 2 * 3 + 1) + 1
    assert "contest" not in shown(whole)
    name = settings.dataset_names(whole)[0]
    record(f"retrain/{name}-seed{whole['seeds'][0]}-random_3", state="failed", message="out of memory")
    lines = shown(whole).splitlines()
    start = lines.index("contest")
    assert any("retrain random_3: failed, out of memory" in line for line in lines[start:])
