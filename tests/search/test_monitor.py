"""Monitoring a training: TensorBoard reads the events, and the result is that of a training without monitoring."""

import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import HISTOGRAMS, IMAGES, EventAccumulator
from tiny_experiment import DATASET, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.search_space import GATES
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.jobs.progress import read
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

EPOCHS, STEPS = 2, 2


@pytest.fixture
def monitored():
    """The tiny experiment with TensorBoard."""
    return {**experiment(), "monitor": {"validation": 1.0, "tensorboard": True}}


def test_tensorboard_shows_losses_gates_and_predictions_next_to_the_labels(monitored, workplace):
    folder = workplace("monitored")
    search(monitored, DATASET, 0)
    (events,) = folder.glob(f"results/{DATASET}/seed0/search/log/*/vis_data/events*")
    shown = EventAccumulator(str(events), size_guidance={HISTOGRAMS: 0, IMAGES: 0}).Reload()
    (metrics,) = [read_json(paths.stage_metrics_path({}, DATASET, 0, 0))]
    steps = [STEPS * epoch for epoch in range(1, EPOCHS + 1)]

    def scalars(tag):
        return [(event.step, event.value) for event in shown.Scalars(tag)]

    for name in ("loss_weights", "loss_architecture", "loss_cross_entropy", "loss_operator"):
        means = [record[name] for record in metrics["history"]]
        assert scalars(f"epoch/{name}") == list(zip(steps, map(pytest.approx, means), strict=True))
    for gate in GATES:
        alive = [record["options_alive"][gate] for record in metrics["history"]]
        assert scalars(f"options_alive/{gate}") == list(zip(steps, alive, strict=True))
        histograms = shown.Histograms(f"probabilities/{gate}")
        assert [histogram.step for histogram in histograms] == steps
        assert [histogram.histogram_value.num for histogram in histograms] == alive
        assert all(0 <= h.histogram_value.min <= h.histogram_value.max <= 1 for h in histograms)
    assert scalars("gates/cost_ratio")[-1][1] == pytest.approx(metrics["history"][-1]["cost_ratio"])
    (measured,) = scalars("miou_val")  # after the first epoch; the last one is evaluated anyway
    assert 0 <= measured[1] <= 100
    tags = shown.Tags()["images"]
    assert len(tags) == 2
    for tag in tags:
        images = shown.Images(tag)
        assert [(image.step, image.height, image.width) for image in images] == [(s, 32, 3 * 64) for s in steps]


def test_monitoring_changes_no_result(monitored, workplace):
    workplace("monitored")
    search(monitored, DATASET, 0)
    first = load_state(paths.state_path({}, DATASET, 0, 0))["model"]
    assert read(Path(paths.PROGRESS.format(job=f"search/{DATASET}-seed0")))["miou_val"] is not None
    workplace("alone")
    search({**monitored, "monitor": {"validation": 0, "tensorboard": False}}, DATASET, 0)
    second = load_state(paths.state_path({}, DATASET, 0, 0))["model"]
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not list(Path().glob("results/**/events*"))
    assert read(Path(paths.PROGRESS.format(job=f"search/{DATASET}-seed0")))["miou_val"] is None


def test_switching_monitoring_reruns_nothing(monitored):
    for stage in ("search", "retrain", "evaluate", "profile"):
        names = (stage, DATASET, 0, "searched")
        assert settings.stage_identity(monitored, *names) == settings.stage_identity(experiment(), *names)


def test_without_tensorboard_the_error_has_the_command_to_install_it(monitored, workplace, monkeypatch):
    workplace("bare")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(
        UserError, match=r"monitor.tensorboard needs tensorboard.*pip install 'ssr-mmseg\[tensorboard\]'"
    ):
        Experiment(monitored, DATASET, 0).retrain_runner("fast_scnn", None, Path("work"))
