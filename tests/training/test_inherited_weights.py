"""`retrain.weights: supernet`: the searched network starts from the weights that it has in the supernet."""

import pytest
import torch
from tiny_experiment import DATASET, NETWORK
from tiny_experiment import EXPERIMENT as TINY

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.datasets.preparation.prepare import prepare
from ssr_mmseg.experiment.earlier_results import load_search_state
from ssr_mmseg.jobs import preemption
from ssr_mmseg.models.inheritance import inherited_weights
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.retrain import retrain
from ssr_mmseg.stages.search import search
from ssr_mmseg.training.checkpoint.state_file import load_state, save_state
from ssr_mmseg.training.loop import ResumableTrainLoop
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json


@pytest.fixture
def searched(tmp_path, monkeypatch) -> dict:
    """The configuration of a finished search, in whose folder the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(preemption, "GRACE", 3600.0)
    config = settings.complete(settings.merge(TINY, {"retrain": {"weights": "supernet"}, "monitor": {"validation": 0}}))
    manifest = settings.manifest_path(config, DATASET)
    prepare(settings.for_dataset(config, DATASET)["dataset"], manifest.parent)
    for stage in range(config["search"]["shrink_stages"] + 1):
        search(config, DATASET, 0, stage)
    discretize(config, DATASET, 0)
    return config


def test_the_training_starts_from_the_supernet_and_says_so(searched, monkeypatch):
    seen, iterate = [], ResumableTrainLoop.run_iter

    def run_iter(self, idx, data_batch):
        seen.append({name: value.clone() for name, value in self.runner.model.state_dict().items()})
        iterate(self, idx, data_batch)

    monkeypatch.setattr(ResumableTrainLoop, "run_iter", run_iter)
    retrain(searched, DATASET, 0, NETWORK)
    last = searched["search"]["shrink_stages"]
    state = load_search_state(searched, DATASET, 0, last)["model"]
    prefix = "backbone."
    supernet = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    first = {name.removeprefix(prefix): value for name, value in seen[0].items() if name.startswith(prefix)}
    genotype = Genotype.read(paths.result_path(searched, paths.GENOTYPE, dataset=DATASET, seed=0))
    expected = inherited_weights(supernet, SearchSpace.from_settings(searched["search"]), genotype, first)
    assert all(torch.equal(first[name], value) for name, value in expected.items())
    assert torch.equal(first["stem.conv.weight"], supernet["stem.conv.weight"])
    record = read_json(paths.result_path(searched, paths.TRAINING, dataset=DATASET, seed=0, network=NETWORK))
    (entry,) = record["initial_weights"]
    assert entry["file"].endswith(f"shrink{last}/state.pth")
    assert (entry["part"], entry["left"]) == ("backbone", [])
    assert record["pretrained"] == f"yes: {entry['file']} {entry['sha256'][:12]} (backbone)"


def test_a_genotype_that_the_supernet_does_not_contain_is_refused(searched):
    path = paths.result_path(searched, paths.GENOTYPE, dataset=DATASET, seed=0)
    genotype = Genotype.read(path)
    value = genotype.to_dict()
    chosen = value["stages"][0]["blocks"][0]
    chosen["dilation"], chosen["resolution"] = 3 - chosen["dilation"], 3 - chosen["resolution"]
    Genotype.from_dict(value).write(path)
    with pytest.raises(UserError) as caught:
        retrain(searched, DATASET, 0, NETWORK)
    name = "stages.0.0.operators."
    assert f"shrink1/state.pth is not the supernet of this network, because {name}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_state_of_another_seed_is_refused(searched):
    path = paths.state_path(searched, DATASET, 0, searched["search"]["shrink_stages"])
    state = load_state(path)
    save_state(path, {**state, "origin": {**state["origin"], "seed": 1}})
    with pytest.raises(UserError, match=r"is the state of another training \(seed 1, expected 0\)"):
        retrain(searched, DATASET, 0, NETWORK)
