"""Two processes search as one does: the same batches, noise and statistics, hence the same decisions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_experiment import DATASET, experiment

from ssr_mmseg import layout
from ssr_mmseg.files import read_json
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.state import load_state

# α after a stage. Sums over pixels are taken in another order, and Adam divides by the size of a gradient.
TOLERANCE = 2e-3


def run_together(count: int, *arguments: str, **search_keys) -> subprocess.CompletedProcess:
    """A command of the package under `torchrun`, in the working directory."""
    Path("config.json").write_text(json.dumps(experiment(**search_keys)))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    command = [*launch, "-m", "ssr_mmseg", *arguments, "--config", "config.json", "--dataset", DATASET]
    environment = {**os.environ, "PYTHONPATH": str(layout.PROJECT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


def test_two_processes_find_the_genotype_of_one(workplace):
    one = workplace("one")
    for stage in (0, 1):
        search(experiment(), DATASET, 0, stage)
    discretize(experiment(), DATASET, 0)
    two = workplace("two")
    for arguments in (("search",), ("shrink", "--stage", "1")):
        done = run_together(2, *arguments)
        assert done.returncode == 0, done.stderr[-2000:]
    discretize(experiment(), DATASET, 0)
    genotype = layout.GENOTYPE.format(dataset=DATASET, seed=0)
    assert (two / genotype).read_bytes() == (one / genotype).read_bytes()
    for stage in (0, 1):
        states = [load_state(folder / layout.state_path(DATASET, 0, stage))["model"] for folder in (one, two)]
        for name, value in states[0].items():
            if ".alive_" in name:
                assert torch.equal(states[1][name], value), name
            elif ".alpha." in name:
                torch.testing.assert_close(states[1][name], value, rtol=0, atol=TOLERANCE)
        metrics = [read_json(folder / layout.stage_metrics_path(DATASET, 0, stage)) for folder in (one, two)]
        assert [value["processes"] for value in metrics] == [1, 2]
        alone, together = (value["relaxed_miou"] for value in metrics)
        assert together == pytest.approx(alone, abs=1.0), "of all images, not of a process's share"
        losses = [[epoch["loss_weights"] for epoch in value["history"]] for value in metrics]
        assert losses[1] == pytest.approx(losses[0], rel=TOLERANCE)

    done = run_together(2, "retrain", "--network", "searched")
    assert done.returncode == 0, done.stderr[-2000:]
    training = read_json(two / layout.TRAINING.format(dataset=DATASET, seed=0, network="searched"))
    retrain(experiment(), DATASET, 0, "searched")
    alone = read_json(two / layout.TRAINING.format(dataset=DATASET, seed=0, network="searched"))
    assert (training["processes"], training["iterations"]) == (2, alone["iterations"])


def test_a_batch_that_does_not_divide_is_refused(workplace):
    workplace("three")
    done = run_together(2, "search", batch_size=5)
    assert done.returncode != 0
    assert "batch_size is 5 for 2 processes together, expected a multiple of their number" in done.stderr
