"""Two processes train like one: a search with equal batches, noise and statistics; a retraining except for noise."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE
from tiny_experiment import DATASET, experiment

from ssr_mmseg.settings import paths
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.utils.files import read_json

# For losses of the first epoch: the order of sums over pixels differs, and Adam divides by the size of a gradient.
TOLERANCE = 1e-3
PUBLISHED = "paper_cityscapes"
LOSSES = ("loss_weights", "loss_architecture", "loss_operator", "loss_mid_width", "loss_cost")


def run_together(count: int, *arguments: str, **search_keys) -> subprocess.CompletedProcess:
    """Run a command of the package under `torchrun` in the working directory."""
    Path("config.json").write_text(json.dumps(experiment(**search_keys)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    command = [*launch, "-m", "ssr_mmseg", *arguments, "--config", "config.json", "--dataset", DATASET]
    environment = {**os.environ, "PYTHONPATH": str(paths.PROJECT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)


def test_a_search_of_two_processes_begins_like_that_of_one(workplace):
    one = workplace("one")
    search(experiment(), DATASET, 0)
    two = workplace("two")
    done = run_together(2, "search")
    assert done.returncode == 0, done.stderr[-2000:]
    metrics = [read_json(folder / paths.stage_metrics_path({}, DATASET, 0, 0)) for folder in (one, two)]
    assert [value["processes"] for value in metrics] == [1, 2]
    assert [value["epochs"] for value in metrics] == [2, 2]
    alone, together = ([value["history"][0][name] for name in LOSSES] for value in metrics)
    assert together == pytest.approx(alone, rel=TOLERANCE)


def test_a_retraining_of_two_processes_equals_that_of_one_except_for_dropout(workplace):
    path = paths.TRAINING.format(dataset=DATASET, seed=0, network=PUBLISHED)
    one = workplace("one")
    retrain(experiment(), DATASET, 0, PUBLISHED)
    two = workplace("two")
    done = run_together(2, "retrain", "--network", PUBLISHED)
    assert done.returncode == 0, done.stderr[-2000:]
    alone, together = (read_json(folder / path) for folder in (one, two))
    assert [alone["processes"], together["processes"]] == [1, 2]
    assert together["iterations"] == alone["iterations"]
    assert together["history"][0]["loss"] == pytest.approx(alone["history"][0]["loss"], rel=0.05)
    evaluate(experiment(), DATASET, 0, PUBLISHED)  # in the folder of the two processes: their weights fit the network


def test_a_batch_that_does_not_divide_is_refused(workplace):
    workplace("three")
    done = run_together(2, "search", batch_size=5)
    assert done.returncode != 0
    assert "batch_size is 5 for 2 processes together, expected a multiple of their number" in done.stderr
