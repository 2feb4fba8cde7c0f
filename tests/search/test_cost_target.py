"""A search that is held to its target reaches it with any cost, and refuses a latency table of another device."""

import pytest
from latency_tables import synthetic
from tiny_experiment import DATASET, experiment

from ssr_mmseg import settings
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.architecture.search_space import SearchSpace
from ssr_mmseg.costs.base import TOLERANCE
from ssr_mmseg.costs.latency_table.table import LatencyTable
from ssr_mmseg.experiment.cost import search_cost
from ssr_mmseg.profiling import environment
from ssr_mmseg.settings import paths
from ssr_mmseg.stages.discretize import discretize
from ssr_mmseg.stages.search import search
from ssr_mmseg.stages.select import select
from ssr_mmseg.utils.devices import resolve_device
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_json

LONGER = {"epochs": 10, "shrink_stages": 1, "shrink_epochs": 5, "threshold": 0.1}
CLASSES = 11  # in the embedded scenes


def table_for(config: dict, device: str = environment(resolve_device("cpu"))["device"], scale: float = 1.0) -> None:
    """Write an invented latency table of the tiny space to the path where the search expects it."""
    table = synthetic(
        SearchSpace.from_settings(config["search"]), size=[32, 64], classes=CLASSES, rounds=20, device=device
    )
    table.entries = {name: time * scale for name, time in table.entries.items()}
    table.write(settings.latency_table_path(config, DATASET))


@pytest.mark.parametrize(
    "cost",
    [
        {"type": "macs", "target": 0.8, "hold": 1000},
        {"type": "macs", "target": 0.9, "hold": 1000},
        {"type": "latency", "target_ms": 9.0},
        {"type": "latency", "target_ms": 12.0},
    ],
    ids=lambda cost: "-".join(map(str, cost.values())),
)
def test_a_search_ends_within_a_tenth_of_its_target(workplace, cost):
    workplace("run")
    config = experiment(cost=cost, **LONGER)
    if cost["type"] == "latency":
        table_for(config)
    for stage in range(2):
        search(config, DATASET, 0, stage)
    discretize(config, DATASET, 0)
    wanted = search_cost(config, DATASET)
    genotype = Genotype.read(paths.GENOTYPE.format(dataset=DATASET, seed=0))
    assert wanted.of(genotype) == pytest.approx(wanted.target, rel=TOLERANCE)
    metrics = read_json(paths.stage_metrics_path({}, DATASET, 0, 1))["cost"]
    assert (metrics["unit"], metrics["target"]) == (wanted.unit, wanted.target)
    assert metrics["expected"] == pytest.approx(wanted.target, rel=TOLERANCE)


def test_the_random_network_has_the_same_cost(workplace):
    workplace("run")
    config = experiment(cost={"type": "latency", "target_ms": 9.0}, epochs=1, shrink_stages=0)
    table_for(config)
    search(config, DATASET, 0, 0)
    discretize(config, DATASET, 0)
    select(config, DATASET, 0, "random")
    names = {"dataset": DATASET, "seed": 0, "network": "random"}
    genotypes = [Genotype.read(pattern.format(**names)) for pattern in (paths.GENOTYPE, paths.SELECTED)]
    measured = [search_cost(config, DATASET).of(genotype) for genotype in genotypes]
    assert measured[0] == pytest.approx(9.0, rel=TOLERANCE), "even if most groups are undecided"
    assert measured[1] == pytest.approx(measured[0], rel=0.02)
    assert read_json(paths.DISCRETIZATION.format(dataset=DATASET, seed=0))["given_up"]


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("slide rule", r"table\.json was measured on slide rule, not on .*; create one here"),
        (None, "is missing; make it"),
    ],
)
def test_a_missing_table_or_one_of_another_device_is_one_line(workplace, device, message):
    workplace("run")
    config = experiment(cost={"type": "latency", "target_ms": 9.0})
    if device:
        table_for(config, device)
    with pytest.raises(UserError, match=message) as caught:
        search(config, DATASET, 0, 0)
    assert "\n" not in str(caught.value)


def test_a_table_named_in_the_configuration_may_be_of_another_device(workplace):
    folder = workplace("run")
    config = experiment(cost={"type": "latency", "target_ms": 9.0})
    table_for(config, "slide rule")
    (folder / settings.latency_table_path(config, DATASET)).rename(folder / "board.json")
    named = settings.complete(settings.merge(config, {"latency": {"table": "board.json"}}))
    assert search_cost(named, DATASET).digest == LatencyTable.read(folder / "board.json").digest


def test_another_table_changes_the_identity_of_the_search(workplace):
    folder = workplace("run")
    config = experiment(cost={"type": "latency", "target_ms": 9.0})
    table_for(config)
    first = search_cost(config, DATASET).digest
    table_for(config, scale=1.001)
    assert search_cost(config, DATASET).digest != first
    (folder / settings.latency_table_path(config, DATASET)).rename(folder / "board.json")

    def identity() -> str:
        named = settings.complete(settings.merge(config, {"latency": {"table": "board.json"}}))
        return settings.stage_identity(named, "search", DATASET)

    before = identity()
    table_for(config)
    (folder / settings.latency_table_path(config, DATASET)).rename(folder / "board.json")
    assert identity() != before


def test_a_list_of_targets_is_not_searched_itself(workplace):
    workplace("run")
    config = experiment(cost={"type": "macs", "target": [0.8, 0.9]})
    with pytest.raises(UserError, match=r"has a search for each target; name one of: town@0\.8, town@0\.9"):
        search(config, DATASET, 0, 0)
