"""A minimal experiment with a genotype and random instead of trained weights, for the stages after training."""

from pathlib import Path

import pytest
import torch

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Block, Genotype, Stage
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.models.batch_norm import draw_statistics
from ssr_mmseg.settings import paths
from ssr_mmseg.training.checkpoint.weights import save_weights

NETWORK = "small"
WEIGHTS = Path(paths.WEIGHTS.format(dataset="town", seed=0, network=NETWORK))


def configuration(**options) -> dict:
    """Return a complete configuration; `options` are those of `profile`."""
    dataset = {"type": "streets", "size": [32, 64], "options": {"train": 4, "val": 2, "test": 1, "seed": 0}}
    brief = {"sizes": [], "runs": 5, "seconds": 0.01, "calibration": 2, **options}
    return settings.complete(
        {"device": "cpu", "datasets": {"town": dataset}, "networks": [NETWORK], "profile": brief}, "test"
    )


def build(experiment: Experiment, network: str = NETWORK):
    """Build the segmentor of a network, in eval mode."""
    return experiment.build(experiment.network(network, genotype_for({}, network, "town", 0))).eval()


def make(folder: Path) -> None:
    """Write the prepared dataset, a genotype and weights for it to `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        stages = Stage(20, (Block(1, 1, 18, 18),)), Stage(28, (Block(2, 2, 24, 24), Block(2, 1, 20, 26)))
        Genotype(stages).write(folder / "config/genotypes" / f"{NETWORK}.json")
        config = configuration()
        prepare(settings.for_dataset(config, "town")["dataset"], settings.manifest_path(config, "town").parent)
        experiment = Experiment(config, "town", 0)
        segmentor = build(experiment)
        draw_statistics(segmentor, 3)
        torch.nn.init.normal_(segmentor.decode_head.conv_seg.weight)
        save_weights(WEIGHTS, segmentor.state_dict(), experiment.manifest, experiment.size)
