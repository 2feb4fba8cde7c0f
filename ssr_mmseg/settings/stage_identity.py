"""Identities of results: short digests of everything that the result of a stage depends on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.cache import cached
from ssr_mmseg.settings.plugin_names import class_literal
from ssr_mmseg.settings.ranking import ranked_networks
from ssr_mmseg.settings.rivals import rival_digest, rival_entry, rival_file
from ssr_mmseg.settings.scenario import for_dataset, scenario_named, supernet_scenario
from ssr_mmseg.settings.selector_supernets import KINDS, supernet_of
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.settings.start_weights import SUPERNET, inherits, start_weights, training_of
from ssr_mmseg.settings.teachers import distillation, teacher_training
from ssr_mmseg.utils.files import read_json, sha256
from ssr_mmseg.utils.hashing import identity


@dataclass(frozen=True)
class ResultKey:
    """A result: its stage, and the values of its wildcards. The stage `search` includes the shrinking stages."""

    stage: str
    dataset: str
    seed: int = 0
    network: str = ""

    @property
    def name(self) -> str:
        """Name of its job, such as `retrain/streets-seed0-erfnet`."""
        return STAGES[self.stage].job_name(dataset=self.dataset, seed=self.seed, network=self.network)


@dataclass
class Origin:
    """Everything that the result of a stage depends on.

    Output paths, thread counts and the device of a training stage are left out on purpose.

    Attributes:
        version: Version of the stage.
        values: Values of its wildcards that the result depends on.
        settings: Settings by their key in the configuration, such as `retrain`.
        files: Digests of the content of files, by their name.
        inputs: The results of other stages.
    """

    version: int
    values: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    inputs: list[ResultKey] = field(default_factory=list)

    def to_dict(self, config: dict) -> dict[str, Any]:
        """Return it as JSON values, with the identities of the inputs by the names of their jobs."""
        inputs = {work.name: stage_identity(config, *_arguments(work)) for work in self.inputs}
        return {
            "version": self.version,
            "values": self.values,
            "settings": self.settings,
            "files": self.files,
            "inputs": inputs,
        }


@cached
def stage_identity(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "") -> str:
    """Return the identity of a stage's result: of its own settings and of those of the stages before it.

    The rules pass it as a parameter, so that Snakemake reruns a stage when, and only when, the identity changes.

    Args:
        config: A completed configuration.
        stage: Name of a stage; `search` includes the shrinking stages.
        dataset: Name of a dataset or another scenario.
    """
    return identity(origin(config, stage, dataset, seed, network).to_dict(config))


def made_from(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "") -> dict[str, Any]:
    """Return what a stage writes into its result as `made_from`: the identity, and all that it was computed from."""
    record = origin(config, stage, dataset, seed, network).to_dict(config)
    return {"identity": identity(record), **record}


def origin(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "") -> Origin:
    """Return everything that a stage's result depends on; see `stage_identity`."""
    scenario = for_dataset(config, dataset)
    made = Origin(STAGES[stage].version)
    data, entry = scenario["dataset"], f"datasets.{scenario_named(config, dataset).dataset}"

    def takes(*stages: str) -> None:
        for other in stages:
            made.inputs.append(ResultKey(other, dataset, seed, network if other in ("retrain", "select") else ""))

    if stage == "prepare":
        made.settings[entry] = {key: value for key, value in data.items() if key != "train_split"}
        made.files |= _tables(data)
        made.files[f"config of the type {data['type']}"] = project_files.mmengine_digest(
            project_files.dataset_file(data["type"])
        )
    elif stage == "latency_table":
        if table := scenario["latency"]["table"]:
            made.files[table] = sha256(paths.project_file(table))
        made.settings |= {f"search.{key}": scenario["search"][key] for key in ("space", "dimensions")}
        made.settings |= {"latency": scenario["latency"], "device": scenario["device"], entry: _class_settings(data)}
        _read_config(made, scenario["retrain"]["config"])  # which has the widths of the networks' head
    elif stage == "search":
        made.values["seed"] = seed
        made.settings["search"] = scenario["search"]
        takes("prepare")
        if scenario["search"]["cost"]["type"] == "latency":
            takes("latency_table")
        _read_config(made, scenario["search"]["config"])
    elif stage == "discretize":
        made.settings["discretize"] = scenario["discretize"]
        takes("search")
    elif stage == "select":
        made.values |= {"seed": seed, "network": network}
        takes("discretize")
        _add_selector(made, config, dataset, seed, network)
    elif stage == "retrain":
        made.values["seed"] = seed
        _add_recipe(made, scenario)
        made.settings[f"{entry}.train_split"] = data["train_split"]
        _add_start(made, config, dataset, seed, network)
        _add_teacher(made, config, dataset, seed, network)
        takes("prepare")
        _add_network(made, network, takes)
    elif stage == "evaluate":
        made.settings["evaluate"] = scenario["evaluate"]
        if rival := rival_entry(config, network):
            _add_rival(made, rival)
        takes("prepare" if rival else "retrain")
    elif stage == "rank":
        ranked = ranked_networks(config)
        made.inputs += [ResultKey("select", dataset, seed, name) for name in ranked]
        made.inputs += [ResultKey("search", supernet_scenario(dataset, kind), seed) for kind in KINDS if ranked]
    elif stage == "gap":
        made.inputs.append(ResultKey("evaluate", dataset, seed, "searched"))
    elif stage == "profile":
        made.settings |= {"profile": scenario["profile"], "device": scenario["device"], entry: _class_settings(data)}
        if rival := rival_entry(config, network):
            _add_rival(made, rival)
            return made
        if scenario["profile"]["weights"] == "trained":
            takes("retrain")
        _read_config(made, scenario["retrain"]["config"])
        _add_network(made, network, takes)
    return made


def joined_identity(config: dict, stage: str) -> str:
    """Return the identity of a stage that joins all results; Snakemake itself compares those, as input files."""
    parts: dict[str, Any] = {"version": STAGES[stage].version}
    if stage in ("ablation", "contest", "recommend"):
        parts[stage] = config.get(stage)
    if stage == "recommend":
        parts |= {"device": config["device"], "profile": config["profile"]}
    return identity(parts)


def _arguments(work: ResultKey) -> tuple[str, str, int, str]:
    return work.stage, work.dataset, work.seed, work.network


def _tables(data: dict) -> dict[str, str]:
    """Return digests of the files that a dataset's entry names besides its source: class and split tables."""
    named = [data.get("label_map"), (data.get("split") or {}).get("table")]
    files = {name: Path(name).expanduser() for name in named if isinstance(name, str)}
    return {name: sha256(file) for name, file in files.items() if file.is_file()}


def _class_settings(data: dict) -> dict[str, Any]:
    """Return what decides the number of classes and the input size, as far as the settings do."""
    keys = ("type", "size", "classes", *(["label_map"] if data.get("label_map") else []))
    return {key: data[key] for key in keys}


def _read_config(made: Origin, name: str) -> None:
    made.files[name] = project_files.mmengine_digest(paths.project_file(name))


def _add_recipe(made: Origin, scenario: dict) -> None:
    """Add the recipe of a training."""
    added = ("weights", "distill")  # by functions of their own, because they do not apply to all networks
    made.settings["retrain"] = {key: value for key, value in scenario["retrain"].items() if key not in added}
    _read_config(made, scenario["retrain"]["config"])


def _add_selector(made: Origin, config: dict, dataset: str, seed: int, network: str) -> None:
    """Add what a selection depends on besides the search: arguments, the recipe of its trainings, its supernet."""
    name, _ = project_files.selection(network) or (network, 1)
    if arguments := config["selectors"].get(name):
        made.settings[f"selectors.{name}"] = arguments
    if class_literal("selector", name, "trains"):
        _add_recipe(made, for_dataset(config, dataset))
    if kind := supernet_of(network):
        made.inputs.append(ResultKey("search", supernet_scenario(dataset, kind), seed))


def _add_start(made: Origin, config: dict, dataset: str, seed: int, network: str) -> None:
    """Add what a training starts from: the training of this configuration, or else the content of the file."""
    path = start_weights(config, dataset, seed, network)
    if path is None:
        return
    if inherits(config, dataset, network):
        made.values["weights"] = SUPERNET
        made.inputs.append(ResultKey("search", dataset, seed))
    elif made_by := training_of(config, path):
        made.inputs.append(ResultKey("retrain", *made_by))
    else:
        made.files["the weights to start from"] = sha256(path)


def _add_teacher(made: Origin, config: dict, dataset: str, seed: int, network: str) -> None:
    """Add how a network learns from a teacher, and the training of the teacher."""
    section = distillation(config, dataset, network)
    if section is None:
        return
    made.settings["retrain.distill"] = section
    if made_by := teacher_training(config, dataset, seed, network):
        made.inputs.append(ResultKey("retrain", *made_by))


def _add_rival(made: Origin, entry: dict[str, Any]) -> None:
    """Add the settings of a rival, and the content of its file, wherever the file is."""
    from ssr_mmseg.settings.models import Rival  # here, because pydantic takes half of the command line's start

    name = entry["name"]
    made.settings[f"networks.{name}"] = Rival.model_validate(entry).model_dump(exclude={"onnx", "name"})
    made.files[f"the file of {name}"] = rival_digest(rival_file(entry))


def _add_network(made: Origin, network: str, takes: Any) -> None:
    """Add the definition of a network: the content of its file, or the stage that makes its genotype."""
    file = project_files.network_file(network)
    if file is None:
        takes("discretize" if network == "searched" else "select")
    elif file.suffix == ".py":
        made.files[f"network {network}"] = project_files.mmengine_digest(file)
    else:
        made.files[f"network {network}"] = identity(cached(read_json)(file))
