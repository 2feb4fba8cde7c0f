import pytest
import torch
import yaml
from dataset_files import split_entry

from ssr_mmseg import settings
from ssr_mmseg.architecture.gates import ArchitectureParameters
from ssr_mmseg.architecture.genotype import Genotype, build_genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import TOLERANCE
from ssr_mmseg.experiment.cost import search_cost
from ssr_mmseg.search.cost_target import towards_target
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json, write_json


@pytest.fixture
def config(tmp_path, monkeypatch) -> dict:
    monkeypatch.chdir(tmp_path)
    text = "datasets: {town: {type: streets, size: [64, 128]}}\n"
    text += "search: {shrink_stages: 1, cost: {target: 0.6, hold: null}}\n"
    split = split_entry([1] * 11)
    manifest = {
        "dataset": "town",
        "type": "streets",
        "root": str(tmp_path),
        "size": [64, 128],
        "digest": "d",
        "source": None,
        "notes": [],
        "warnings": [],
        "classes": list("abcdefghijk"),
        "palette": [[index] * 3 for index in range(11)],
        "splits": {"train": split, "val": split, "test": split},
    }
    write_json(tmp_path / paths.MANIFEST.format(dataset="town"), manifest)
    return settings.complete(yaml.safe_load(text))


def searched(config: dict, change=lambda gates: None) -> ArchitectureParameters:
    """Write the state of a search whose gates `change` has changed, and return the gates."""
    torch.manual_seed(0)
    gates = ArchitectureParameters(SearchSpace.from_settings(config["search"]), "sigmoid")
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.normal_()
    change(gates)
    state = {f"backbone.architecture.{name}": value for name, value in gates.state_dict().items()}
    save_state(paths.state_path({}, "town", 0, 1), {"model": state})
    return gates


def decide(gates: ArchitectureParameters) -> None:
    with torch.no_grad():
        for alpha in gates.alpha.values():
            alpha.sub_(alpha.amax(dim=-1, keepdim=True)).mul_(100)  # the sigmoids of all but the best vanish
    gates.shrink(0.9)


def test_the_survivors_become_the_genotype(config):
    gates = searched(config, decide)
    assert gates.decided
    discretize({**config, "discretize": {"undecided": "refuse"}}, "town", 0)
    genotype = Genotype.read("results/town/seed0/discretize/genotype.json")
    assert genotype.stages == build_genotype(gates.space, gates.choice()).stages
    report = read_json("results/town/seed0/discretize/discretization.json")
    assert report["gates_decided"] == 1
    assert report["given_up"] == {}


def test_an_undecided_group_is_refused(config, tmp_path):
    searched(config)
    with pytest.raises(UserError, match=r"some gate groups are undecided \(2 of depth, 10 of operator, 80 of mid"):
        discretize({**config, "discretize": {"undecided": "refuse"}}, "town", 0)
    assert not (tmp_path / "results/town/seed0/discretize").exists()


def test_the_report_has_the_probability_that_the_argmax_gives_up(config):
    gates = searched(config)
    discretize(config, "town", 0)
    report = read_json("results/town/seed0/discretize/discretization.json")
    probabilities = gates.probabilities()["depth"].detach()
    expected = [
        {"group": [stage], "survivors": blocks, "given_up": pytest.approx(1 - float(p.max()), abs=1e-6)}
        for stage, (blocks, p) in enumerate(zip((4, 6), probabilities, strict=True))
    ]
    assert report["given_up"]["depth"] == expected
    assert report["gates_decided"] == 0
    assert report["moved"] == []
    best = Genotype.read("results/town/seed0/discretize/genotype.json").stages
    assert [len(stage.blocks) - 1 for stage in best] == probabilities.argmax(dim=-1).tolist()


def test_a_held_search_moves_from_the_argmax_to_its_target_and_reports_it(config):
    gates = searched(config)
    config = settings.complete(settings.merge(config, {"search": {"cost": {"hold": 1000}}}))
    discretize(config, "town", 0)
    report = read_json("results/town/seed0/discretize/discretization.json")
    genotype = Genotype.read("results/town/seed0/discretize/genotype.json")
    choice = gates.choice()
    assert report["moved"]
    for change in report["moved"]:
        choice[change["gate"]][tuple(change["group"])] = change["option"]
    assert genotype.stages == build_genotype(gates.space, choice).stages
    cost = search_cost(config, "town")
    assert cost.of(genotype) == pytest.approx(cost.target, rel=TOLERANCE)


def test_an_argmax_near_the_target_is_kept(config):
    gates = searched(config)
    cost = search_cost(config, "town")
    cost.target = cost.of(build_genotype(gates.space, gates.choice())) * 1.05
    choice = gates.choice()
    assert towards_target(gates, choice, cost) == []
    assert build_genotype(gates.space, choice).stages == build_genotype(gates.space, gates.choice()).stages
