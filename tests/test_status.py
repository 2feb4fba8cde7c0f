"""The overview of an experiment, from files alone."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ssr_mmseg import layout, settings, status
from ssr_mmseg.cli import main

NOW = 1_000_000.0
PROGRESS = {"iteration": 30, "iterations": 120, "epoch": 2, "epochs": 8, "seconds_left": 300.0, "updated": NOW - 5}


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    town = {"type": "streets", "size": [64, 64]}
    networks = ["searched", "random", "erfnet"]
    return settings.complete({"datasets": {"town": town}, "networks": networks, "search": {"shrink_stages": 1}})


def write(path, text="{}"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def states(config):
    return {job.name: status.state(job, NOW) for job in status.jobs(config)}


def test_every_job_is_listed_and_waits_at_first(config):
    found = states(config)
    assert len(found) == 1 + 2 + 2 + 3 * 3 + 3
    assert set(found.values()) == {("waiting", "")}
    assert status.overview(config, NOW).endswith("0 of 17 done")


def test_a_training_runs_and_then_stands_still(config):
    work = layout.WORK.format(dataset="town", seed=0, stage="shrink1", identity="0" * 12)
    write(f"{work}/progress.json", json.dumps(PROGRESS))
    write(layout.LOG.format(stage="shrink", job="town-seed0-1"), "a line of its log\n")
    assert states(config)["town, seed 0: shrink 1"] == ("running", "25%, epoch 2 of 8, 5 min left")
    write(f"{work}/progress.json", json.dumps({**PROGRESS, "updated": NOW - 2 * status.STALE}))
    assert states(config)["town, seed 0: shrink 1"] == ("stopped", "at 25%, epoch 2 of 8")
    write(layout.stage_metrics_path("town", 0, 1))
    assert states(config)["town, seed 0: shrink 1"] == ("done", "")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"iteration": 1, "iterations": 0}', '{"iteration": "x"}'])
def test_a_damaged_progress_file_is_passed_over(config, text):
    work = layout.WORK.format(dataset="town", seed=0, stage="retrain-erfnet", identity="0" * 12)
    write(f"{work}/progress.json", text)
    assert states(config)["town, seed 0: retrain erfnet"] == ("waiting", "")


def test_a_failed_job_shows_its_message(config):
    log = layout.LOG.format(stage="evaluate", job="town-seed0-erfnet")
    write(log, "reading\nssr-mmseg: results/x is damaged; delete it\nexit\n")
    assert states(config)["town, seed 0: evaluate erfnet"] == ("begun", "ssr-mmseg: results/x is damaged; delete it")
    write(log, "")
    assert states(config)["town, seed 0: evaluate erfnet"][0] == "begun"


def test_without_a_search_none_is_listed(config):
    names = [job.name for job in status.jobs({**config, "networks": ["erfnet"]})]
    assert not [name for name in names if "search" in name or "discretize" in name]


def test_the_log_names_are_those_of_the_rules(config):
    rules = "".join(path.read_text() for path in (layout.PROJECT / "workflow/rules").glob("*.smk"))
    for stage, job in (("search", "{dataset}-seed{seed}"), ("shrink", "{dataset}-seed{seed}-{stage}")):
        assert layout.LOG.replace("{stage}", stage, 1).replace("{job}", job) in rules
    for stage in ("retrain", "evaluate", "profile"):
        assert f"results/logs/{stage}/{{dataset}}-seed{{seed}}-{{network}}.log" in rules


def test_the_command_shows_it_and_watching_ends_when_all_is_done(config, monkeypatch, capsys):
    Path("own.yaml").write_text(json.dumps(config))
    assert main(["status", "--config", "own.yaml"]) == 0
    assert "0 of 17 done" in capsys.readouterr().out
    waits = []

    def finish(seconds):
        waits.append(seconds)
        for job in status.jobs(config):
            write(job.result)

    monkeypatch.setattr(time, "sleep", finish)
    assert main(["status", "--config", "own.yaml", "--watch"]) == 0
    assert len(waits) == 1
    out = capsys.readouterr().out
    assert "17 of 17 done" in out
    assert "\033" not in out  # no terminal, no control sequences


def test_it_loads_nothing_heavy():
    code = "import sys, ssr_mmseg.status; print({'torch', 'mmengine', 'altair', 'pandas'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=layout.PROJECT)
    assert result.stdout.strip() == "set()"
