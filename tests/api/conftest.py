"""Results of a tiny experiment: a searched network and a baseline, trained and evaluated on rendered streets."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from tiny_experiment import DATASET, EXPERIMENT

from ssr_mmseg import settings
from ssr_mmseg.experiment.experiment import Experiment
from ssr_mmseg.experiment.genotypes import genotype_for
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.evaluate import evaluate
from ssr_mmseg.stages.prepare import prepare
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.weights import load_weights
from ssr_mmseg.utils.files import read_json

NETWORKS = ("searched", "erfnet")


@dataclass(frozen=True)
class Results:
    """The folder in which the workflow ran, and its configuration."""

    folder: Path
    config: dict

    def path(self, pattern: str, network: str = "searched") -> Path:
        return self.folder / pattern.format(dataset=DATASET, seed=0, network=network)

    def network(self, name: str) -> Path:
        return self.path(paths.WEIGHTS, name).parent

    def evaluation(self, name: str) -> dict:
        return read_json(self.path(paths.EVALUATION, name))

    def frames(self) -> list[Path]:
        return sorted(self.folder.glob(f"results/{DATASET}/prepare/data/*/images/*.png"))


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Results:
    folder = tmp_path_factory.mktemp("results")
    changes = {"networks": list(NETWORKS), "retrain": {"epochs": 6, "batch_size": 2}}
    config = settings.complete(settings.merge(EXPERIMENT, changes))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepare(config, DATASET)
        for stage in range(config["search"]["shrink_stages"] + 1):
            search(config, DATASET, 0, stage)
        discretize(config, DATASET, 0)
        for network in NETWORKS:
            retrain(config, DATASET, 0, network)
            evaluate(config, DATASET, 0, network)
    return Results(folder, config)


@pytest.fixture(params=NETWORKS)
def network(request) -> str:
    return request.param


@pytest.fixture
def here(results, monkeypatch) -> Results:
    """The results, with their folder as the working directory."""
    monkeypatch.chdir(results.folder)
    return results


@pytest.fixture
def evaluated(here, network) -> dict[str, torch.Tensor]:
    """The label maps (H, W) that the stage `evaluate` measures, by absolute path of their image."""
    experiment = Experiment(here.config, DATASET, 0)
    model = experiment.build(experiment.network(network, genotype_for({}, network, DATASET, 0))).eval()
    model.load_state_dict(load_weights(here.path(paths.WEIGHTS, network)))
    maps = {}
    with torch.no_grad():
        for split in ("val", "test"):
            for batch in experiment.evaluation_loader(split):
                for sample in model.test_step(batch):
                    maps[str(Path(sample.img_path).absolute())] = sample.pred_sem_seg.data.squeeze(0)
    assert len({int(label) for labels in maps.values() for label in labels.unique()}) > 1, "trivial predictions"
    return maps
