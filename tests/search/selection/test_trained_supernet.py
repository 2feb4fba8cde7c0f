"""A network of a supernet is scored with its own statistics, and the supernet is left as it was."""

import shutil

import numpy as np
import pytest
import torch
from tiny_experiment import DATASET, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import random_choice
from ssr_mmseg.experiment.candidates import load_trained_supernet
from ssr_mmseg.settings.scenario import supernet_scenario
from ssr_mmseg.stages.search import search
from ssr_mmseg.utils.errors import UserError

NAME = supernet_scenario(DATASET, "single_path")


@pytest.fixture(scope="module")
def supernet(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("supernet") / "run"
    shutil.copytree(prepared, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        search(configuration(), NAME, 0)
        return load_trained_supernet(configuration(), NAME, 0)


def configuration() -> dict:
    return settings.complete(settings.merge(experiment(), {"networks": ["searched", "evolution"]}))


def choices(supernet) -> list[dict]:
    return [random_choice(supernet.architecture.space, np.random.default_rng(seed)) for seed in range(4)]


def test_a_score_does_not_depend_on_the_scores_before(supernet):
    first = [supernet.score_network(choice) for choice in choices(supernet)]
    second = [supernet.score_network(choice) for choice in reversed(choices(supernet))]
    assert first == second[::-1]
    assert supernet.seconds > 0


def test_the_statistics_are_the_means_over_the_calibration_batches(supernet):
    norm = supernet.model.backbone.stem.bn
    inputs = []
    handle = norm.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    supernet.model.eval()
    batches = list(supernet.calibration)
    with torch.no_grad():
        stem = supernet.model.backbone.stem
        features = []
        for batch in batches:
            images = supernet.model.data_preprocessor(batch, training=False)["inputs"]
            features.append(torch.cat([stem.conv(images), torch.nn.functional.max_pool2d(images, 2)], dim=1))
    handle.remove()
    supernet.calibrate()
    expected = torch.stack([feature.mean(dim=(0, 2, 3)) for feature in features]).mean(dim=0)
    assert torch.allclose(norm.running_mean, expected, atol=1e-5)
    assert not any(module.training for module in supernet.model.modules())
    assert norm.momentum == 0.1


def test_the_gates_are_as_before(supernet):
    before = {gate: alive.clone() for gate, alive in supernet.architecture.alive.items()}
    supernet.score_network(choices(supernet)[0])
    assert all(torch.equal(supernet.architecture.alive[gate], alive) for gate, alive in before.items())


def test_a_supernet_that_is_missing_is_named_with_its_command(workplace):
    workplace("empty")
    with pytest.raises(UserError, match=rf"{NAME}/seed3/search/metrics.json is missing; make it with: snakemake"):
        load_trained_supernet(configuration(), NAME, 3)
