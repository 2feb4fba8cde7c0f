"""Identities of results: short digests of everything that the result of a stage depends on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.cache import cached
from ssr_mmseg.settings.plugin_names import class_literal
from ssr_mmseg.settings.ranking import ranked_networks
from ssr_mmseg.settings.scenario import for_dataset, supernet_scenario
from ssr_mmseg.settings.selector_supernets import KINDS, supernet_of
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.settings.start_weights import start_weights, training_of
from ssr_mmseg.utils.files import read_json, sha256
from ssr_mmseg.utils.hashing import identity


@cached
def stage_identity(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "") -> str:
    """Return the identity of a stage's result: of its own settings and of those of the stages before it.

    The rules pass it as a parameter, so that Snakemake reruns a stage when, and only when, the identity changes.
    Output paths, thread counts and the device of a training stage are left out on purpose.

    Args:
        config: A completed configuration.
        stage: Name of a stage; `search` includes the shrinking stages.
        dataset: Name of a dataset or another scenario.
    """
    settings = for_dataset(config, dataset)
    parts: dict[str, Any] = {"recipe": STAGES[stage].version}
    data = settings["dataset"]

    def input_identity(other: str) -> str:
        return stage_identity(config, other, dataset, seed, network if other in ("retrain", "select") else "")

    if stage == "prepare":
        parts["dataset"] = {key: value for key, value in data.items() if key != "train_split"}
        if tables := _tables(data):
            parts["tables"] = tables
        parts["mmseg"] = project_files.mmengine_digest(project_files.dataset_file(data["type"]))
    elif stage == "latency_table":
        table = settings["latency"]["table"]
        parts["table"] = sha256(paths.project_file(table)) if table else None
        parts |= {key: settings["search"][key] for key in ("space", "dimensions")}
        parts |= {"latency": settings["latency"], "device": settings["device"]}
        parts["dataset"] = _class_settings(data)
    elif stage == "search":
        parts |= {"seed": seed, "search": settings["search"], "prepare": input_identity("prepare")}
        if settings["search"]["cost"]["type"] == "latency":
            parts["latency"] = input_identity("latency_table")
        parts["config"] = project_files.mmengine_digest(paths.project_file(settings["search"]["config"]))
    elif stage == "discretize":
        parts |= {"search": input_identity("search"), "discretize": settings["discretize"]}
    elif stage == "select":
        parts |= {"seed": seed, "network": network, "like": input_identity("discretize")}
        parts |= _selector_identity(config, dataset, seed, network)
    elif stage == "retrain":
        own = {key: value for key, value in settings["retrain"].items() if key != "weights"}
        parts |= {"seed": seed, "retrain": own, "train_split": data["train_split"]}
        parts |= _start_identity(config, dataset, seed, network)
        parts["prepare"] = input_identity("prepare")
        parts["config"] = project_files.mmengine_digest(paths.project_file(settings["retrain"]["config"]))
        parts["network"] = _network_identity(network, input_identity)
    elif stage == "evaluate":
        parts |= {"retrain": input_identity("retrain"), "evaluate": settings["evaluate"]}
    elif stage == "rank":
        ranked = ranked_networks(config)
        parts["networks"] = [stage_identity(config, "select", dataset, seed, name) for name in ranked]
        scenarios = [supernet_scenario(dataset, kind) for kind in KINDS if ranked]
        parts["supernets"] = [stage_identity(config, "search", name, seed) for name in scenarios]
    elif stage == "gap":
        parts["evaluate"] = stage_identity(config, "evaluate", dataset, seed, "searched")
    elif stage == "profile":
        parts |= {"profile": settings["profile"], "device": settings["device"]}
        parts["dataset"] = _class_settings(data)
        if settings["profile"]["weights"] == "trained":
            parts["retrain"] = input_identity("retrain")
        parts["config"] = project_files.mmengine_digest(paths.project_file(settings["retrain"]["config"]))
        parts["network"] = _network_identity(network, input_identity)
    return identity(parts)


def _tables(data: dict) -> list[str]:
    """Return digests of the files that a dataset's entry names besides its source: class and split tables."""
    named = [data.get("label_map"), (data.get("split") or {}).get("table")]
    files = [Path(name).expanduser() for name in named if isinstance(name, str)]
    return [sha256(file) for file in files if file.is_file()]


def _class_settings(data: dict) -> list[Any]:
    """Return what decides the number of classes and the input size, as far as the settings do."""
    values = [data[key] for key in ("type", "size", "classes")]
    return [*values, data["label_map"]] if data.get("label_map") else values


def joined_identity(config: dict, stage: str) -> str:
    """Return the identity of a stage that joins all results; Snakemake itself compares those, as input files."""
    parts: dict[str, Any] = {"recipe": STAGES[stage].version}
    if stage in ("ablation", "contest"):
        parts[stage] = config.get(stage)
    return identity(parts)


def _selector_identity(config: dict, dataset: str, seed: int, network: str) -> dict[str, Any]:
    """Return what a selection depends on besides the search: arguments, the recipe of its trainings, its supernet."""
    name, _ = project_files.selection(network) or (network, 1)
    parts: dict[str, Any] = {}
    if arguments := config["selectors"].get(name):
        parts["arguments"] = arguments
    if class_literal("selector", name, "trains"):
        settings = for_dataset(config, dataset)
        parts["retrain"] = {key: value for key, value in settings["retrain"].items() if key != "weights"}
        parts["config"] = project_files.mmengine_digest(paths.project_file(settings["retrain"]["config"]))
    if kind := supernet_of(network):
        parts["supernet"] = stage_identity(config, "search", supernet_scenario(dataset, kind), seed)
    return parts


def _start_identity(config: dict, dataset: str, seed: int, network: str) -> dict[str, str]:
    """Return what a training starts from: the training of this configuration, or else the content of the file."""
    path = start_weights(config, dataset, seed, network)
    if path is None:
        return {}
    made_by = training_of(config, path)
    return {"weights": stage_identity(config, "retrain", *made_by) if made_by else sha256(path)}


def _network_identity(network: str, input_identity: Callable[[str], str]) -> Any:
    file = project_files.network_file(network)
    if file is not None and file.suffix == ".py":
        return project_files.mmengine_digest(file)
    return cached(read_json)(file) if file else input_identity("discretize" if network == "searched" else "select")
