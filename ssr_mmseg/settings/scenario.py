"""Scenarios of an experiment: each is a dataset with settings that override those of the configuration.

Every dataset is a scenario. A list of cost targets adds one per target, such as `streets@8ms`, each supernet that a
selector needs adds one, such as `streets/single_path`, and the ablation adds one per cell, such as
`ablation/ssr-shrink-joint`. Stages, rules and the command line accept the name of any scenario
where they ask for a dataset. The Snakefile imports this module: it must not import torch.
"""

import itertools
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ssr_mmseg.settings.cache import cached
from ssr_mmseg.settings.cost_targets import first_target, hold_of, target_key
from ssr_mmseg.settings.overrides import merge
from ssr_mmseg.settings.paths import CELLS
from ssr_mmseg.settings.project_files import follows_search, network_names
from ssr_mmseg.settings.rivals import configured_networks
from ssr_mmseg.settings.selector_supernets import KINDS, needed_supernets, search_overrides
from ssr_mmseg.utils.errors import UserError

AXES = ("regularizer", "shrink", "dimensions", "variants")  # keys of a block
NO_VARIANT = ("",)
SECTIONS = ("latency", "search", "discretize", "retrain", "evaluate", "profile")  # what a scenario may override


@dataclass(frozen=True)
class Scenario:
    """One variant of an experiment on one dataset.

    Attributes:
        name: Name of its folder below `results/`.
        dataset: The configured dataset that it reads.
        overrides: Settings merged into the sections of the configuration.
        label: Suffix of its networks in the dataset's table, such as `@8ms`; empty for the dataset itself.
        latency_table: The scenario whose latency table its search reads.
    """

    name: str
    dataset: str
    overrides: dict[str, Any]
    label: str
    latency_table: str


@dataclass(frozen=True)
class Cell(Scenario):
    """One cell of the ablation.

    Attributes:
        regularizer, shrink: Values that override `search`.
        dimensions: Name that the configuration gives to the set of searched dimensions.
        variant: Name that the configuration gives to a set of further changes to `search`; empty for none.
    """

    regularizer: str
    shrink: bool
    dimensions: str
    variant: str


@dataclass(frozen=True)
class TableNetwork:
    """One network of a dataset's table.

    Attributes:
        label: Name in the table, such as `searched@8ms`.
        name: Name in the results of its scenario, such as `searched`.
        scenario: The scenario that has its results, such as `streets@8ms`.
    """

    label: str
    name: str
    scenario: str


@cached
def scenarios(config: dict) -> dict[str, Scenario]:
    """Return every scenario of a configuration by name: datasets, cost targets, supernets of selectors, ablation.

    Raises:
        UserError: The ablation names a dataset, a set of dimensions or a variant that is not configured.
    """
    datasets = [_dataset_scenario(config, dataset) for dataset in config["datasets"]]
    targets = [scenario for dataset in config["datasets"] for scenario in _target_scenarios(config, dataset)]
    searched = [scenario for scenario in datasets if not _has_targets(config, scenario.overrides)] + targets
    kinds = supernet_kinds(config)
    supernets = [_supernet_scenario(config, scenario, kind) for scenario in searched for kind in kinds]
    return {scenario.name: scenario for scenario in (*datasets, *targets, *supernets, *cells(config).values())}


def supernet_kinds(config: dict) -> list[str]:
    """Return the kinds of supernets that each search of a configuration needs for its selectors and the contest."""
    return list(KINDS) if config["contest"]["ranking"] else needed_supernets(configured_networks(config))


def supernet_scenario(dataset: str, kind: str) -> str:
    """Return the name of the scenario that trains a supernet of some kind for the selectors of a scenario."""
    return f"{dataset}/{kind}"


def scenario_named(config: dict, name: str) -> Scenario:
    """Return the scenario of that name.

    Raises:
        UserError: The configuration has no such scenario.
    """
    if name in config["datasets"]:
        return _dataset_scenario(config, name)  # without building the others
    configured = scenarios(config)
    if name not in configured:
        close = get_close_matches(name, configured, n=1)
        hint = f" did you mean {close[0]}?" if close else ""
        raise UserError(f"dataset {name} is not configured;{hint} configured are: {', '.join(config['datasets'])}")
    return configured[name]


@cached
def for_dataset(config: dict, dataset: str) -> dict:
    """Return the settings of a dataset or another scenario.

    Every section has the scenario's overrides; the entry of its dataset is under the key `dataset`.

    Raises:
        UserError: The configuration has no such scenario.
    """
    scenario = scenario_named(config, dataset)
    # drop the other datasets, because merging copies everything and there may be many
    one = {**config, "datasets": {scenario.dataset: config["datasets"][scenario.dataset]}}
    settings = merge(one, scenario.overrides)
    entry = settings.pop("datasets")[scenario.dataset]
    defaults: dict[str, Any] = {"source": None, "train_split": "train", "classes": None, "options": {}}
    dataset_keys = {key: value for key, value in entry.items() if key not in SECTIONS}
    settings["dataset"] = {"name": scenario.dataset, **defaults, **dataset_keys}
    return settings


@cached
def searches(config: dict, dataset: str) -> list[str]:
    """Return the names of the scenarios in which a dataset is searched: one per target of its cost, or the dataset."""
    if dataset not in config["datasets"]:
        return [dataset]
    return [scenario.name for scenario in _target_scenarios(config, dataset)] or [dataset]


@cached
def table_networks(config: dict, dataset: str) -> list[TableNetwork]:
    """Return the networks of a dataset's table, in its order: those that follow a search once per search."""
    networks = []
    for network in configured_networks(config):
        for name in searches(config, dataset) if follows_search(network) else [dataset]:
            networks.append(TableNetwork(network + name.removeprefix(dataset), network, name))
    return networks


def all_networks(config: dict, dataset: str) -> list[TableNetwork]:
    """Return the networks of a dataset's table, then every other genotype and baseline that has a file."""
    networks = table_networks(config, dataset)
    labels = {network.label for network in networks}
    return networks + [TableNetwork(name, name, dataset) for name in network_names() if name not in labels]


@cached
def cells(config: dict) -> dict[str, Cell]:
    """Return the cells of the ablation by name, each once, in the order of its blocks; none without an ablation.

    A block has a list of values for each axis and means all their combinations.

    Raises:
        UserError: The ablation names a dataset, a set of dimensions or a variant that is not configured.
    """
    ablation = config.get("ablation")
    if ablation is None:
        return {}
    dataset = ablation["dataset"]
    if dataset not in config["datasets"]:
        configured = ", ".join(config["datasets"])
        raise UserError(f"ablation.dataset: {dataset} is not configured; configured are: {configured}")
    combinations = (
        combination
        for block in ablation["blocks"]
        for combination in itertools.product(*(block.get(axis, NO_VARIANT) for axis in AXES))
    )
    return {cell.name: cell for cell in (_cell(config, dataset, *combination) for combination in combinations)}


def ablation_cells(config: dict) -> dict[str, Cell]:
    """Return the cells of the ablation, which the configuration must have.

    Raises:
        UserError: The configuration has no ablation.
    """
    if not cells(config):
        raise UserError("the configuration has no section ablation; add one as in config/config.yaml")
    return cells(config)


def _dataset_scenario(config: dict, dataset: str) -> Scenario:
    overrides = {key: value for key, value in config["datasets"][dataset].items() if key in SECTIONS}
    return Scenario(dataset, dataset, overrides, "", dataset)


def _target_scenarios(config: dict, dataset: str) -> list[Scenario]:
    """Return the scenarios of a dataset whose cost has a list of targets; none for a single target."""
    overrides = _dataset_scenario(config, dataset).overrides
    cost = _cost(config, overrides)
    key, unit = target_key(cost)
    if not isinstance(cost[key], list):
        return []
    scenarios = []
    for target in cost[key]:
        label = f"@{target:.12g}{unit}"
        searched = merge(overrides, {"search": {"cost": {key: target, "hold": hold_of(cost)}}})
        scenarios.append(Scenario(f"{dataset}{label}", dataset, searched, label, dataset))
    return scenarios


def _supernet_scenario(config: dict, base: Scenario, kind: str) -> Scenario:
    search = merge(config["search"], base.overrides.get("search", {}))
    overrides = merge(base.overrides, {"search": search_overrides(search, kind)})
    return Scenario(supernet_scenario(base.name, kind), base.dataset, overrides, "", base.latency_table)


def _has_targets(config: dict, overrides: dict) -> bool:
    """Whether the cost of a search has a list of targets."""
    cost = _cost(config, overrides)
    return isinstance(cost[target_key(cost)[0]], list)


def _cell(config: dict, dataset: str, regularizer: str, shrink: bool, dimensions: str, variant: str) -> Cell:
    ablation = config["ablation"]
    if dimensions not in ablation["dimensions"]:
        configured = ", ".join(ablation["dimensions"])
        raise UserError(f"ablation.blocks: dimensions {dimensions} are not configured; configured are: {configured}")
    variants = ablation.get("variants", {})
    if variant and variant not in variants:
        configured = ", ".join(variants) or "none"
        raise UserError(f"ablation.blocks: variant {variant} is not configured; configured are: {configured}")
    axes = {"regularizer": regularizer, "shrink": shrink, "dimensions": ablation["dimensions"][dimensions]}
    overrides = merge(_dataset_scenario(config, dataset).overrides, {"search": {**ablation["search"], **axes}})
    overrides = merge(overrides, {"search": variants.get(variant, {})})
    cost = _cost(config, overrides)
    if isinstance(cost, dict):
        overrides = merge(overrides, {"search": {"cost": first_target(cost)}})
    name = f"{CELLS}{regularizer}-{'shrink' if shrink else 'keep'}-{dimensions}{f'-{variant}' if variant else ''}"
    return Cell(name, dataset, overrides, "", name, regularizer, shrink, dimensions, variant)


def _cost(config: dict, overrides: dict) -> Any:
    """Return the section `search.cost` with the overrides merged into it."""
    base = {"cost": config["search"]["cost"]}
    changes = overrides.get("search", {}).get("cost")
    return base["cost"] if changes is None else merge(base, {"cost": changes})["cost"]
