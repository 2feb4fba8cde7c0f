"""The experiment's configuration: read, completed, validated, and cut down to what each stage depends on.

Light on purpose (no torch, no mmengine): the workflow imports it whenever it is parsed, also in every cluster job.
"""

import copy
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from ssr_mmseg.settings import cost_targets, paths, project_files
from ssr_mmseg.settings.ablation import Cell, cells
from ssr_mmseg.settings.cache import remembered
from ssr_mmseg.utils import json_schema, safe_parsing
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes, read_json, sha256

DEFAULTS = "config/config.yaml"
SUPERNET = "config/mmseg/models/supernet.py"
DERIVED = "config/mmseg/models/ssr_net.py"
SECTIONS = ("latency", "search", "discretize", "retrain", "evaluate", "profile")

# A stage whose code changes its result gets the next number here: caches made by the old code are then remade.
RECIPES = {
    "prepare": 2,
    "latency_table": 1,
    "search": 2,
    "discretize": 1,
    "sample": 1,
    "retrain": 2,
    "evaluate": 1,
    "profile": 2,
    "gap": 1,
    "table": 1,
    "peers": 1,
    "summary": 1,
    "ablation": 1,
    "report": 1,
    "figures": 1,
}


def read_config(path: str | Path, changes: dict | None = None) -> dict:
    """Read an experiment configuration (YAML or JSON), complete and validate it.

    `changes` are laid over the file first: those that Snakemake's `--config` gives.

    Raises:
        UserError: the file is missing, no mapping, or has an unknown key or an invalid value.
    """
    try:
        user = safe_parsing.parse_yaml(read_bytes(Path(path), safe_parsing.MAX_YAML_BYTES))
    except OSError as error:
        raise UserError(f"could not read the configuration {path}: {error.strerror}; check the path") from error
    except safe_parsing.ParseError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if changes and isinstance(user, dict):
        return complete(merge(user, changes), f"{path} and --config")
    return complete(user, str(path))


def complete(user: Any, origin: str = "configuration") -> dict:
    """Fill the keys that `user` leaves out with those of the project's `config/config.yaml` and validate the whole.

    `datasets` and `ablation` are never merged with the default's: a configuration that names its own data has the
    ablation that it asks for, or none. Every file that a stage would read for its settings is read here, so that a
    wrong name ends a run before it starts.

    Raises:
        UserError: no mapping, an unknown key or name, an invalid value, or a file that is missing or malformed.
    """
    if not isinstance(user, dict):
        raise UserError(f"{origin}: expected a mapping of settings, found {type(user).__name__}; see config/README.md")
    try:  # Snakemake's own reader may have been there before
        safe_parsing.plain(user, safe_parsing.MAX_YAML_VALUES)
    except safe_parsing.ParseError as error:
        raise UserError(f"{origin} is no configuration: {error}; see config/README.md") from error
    defaults = yaml.safe_load((paths.PROJECT / DEFAULTS).read_text(encoding="utf-8"))
    config = merge(defaults, user)
    whole = {key: copy.deepcopy(user[key]) for key in ("datasets", "ablation") if key in user}
    if "datasets" in whole:
        config.pop("ablation", None)
    config |= whole
    _validate(config, origin)
    for name in config["datasets"]:
        _validate(merge(_with_one(config, name), _overrides(config, name)), f"{origin}: datasets.{name}")
        stage_identity(config, "search", name)
        for network in config["networks"]:
            stage_identity(config, "evaluate", name, network=network)
    for name, variant in variants(config).items():
        _validate(merge(_with_one(config, variant.dataset), _overrides(config, name)), f"{origin}: {name}")
        stage_identity(config, "search", name)
    return config


@remembered
def variants(config: dict) -> dict[str, Cell | cost_targets.Member]:
    """Everything but datasets that stands where a dataset's name stands: cells of the ablation, members of families."""
    found: dict[str, Cell | cost_targets.Member] = dict(cells(config))
    for dataset in config["datasets"]:
        found |= {member.name: member for member in _family(config, dataset)}
    return found


def _variant(config: dict, dataset: str) -> Cell | cost_targets.Member | None:
    """The variant of that name; None for a dataset, without a look at the others."""
    return variants(config).get(dataset) if "/" in dataset or "@" in dataset else None


def _family(config: dict, dataset: str) -> list[cost_targets.Member]:
    own = config["datasets"][dataset].get("search", {}).get("cost", {})
    return cost_targets.members_of(dataset, merge({"cost": config["search"]["cost"]}, {"cost": own})["cost"])


@remembered
def members(config: dict, dataset: str) -> list[str]:
    """What stands in a dataset's place in its searches: a name per target of its cost, or its own."""
    found = _family(config, dataset) if dataset in config["datasets"] else ()
    return [member.name for member in found] or [dataset]


@remembered
def networks(config: dict, dataset: str) -> list[str]:
    """The networks of a dataset's table: those of `networks`, and of its own searches one per target."""
    own = [name.removeprefix(dataset) for name in members(config, dataset)]
    return [name + label for name in config["networks"] for label in (own if name in cost_targets.OWN_SEARCH else [""])]


def merge(base: dict, changes: dict) -> dict:
    """`base` with `changes` laid over it, mapping by mapping.

    Lists and scalars are replaced, and so is a mapping of another `kind`, whose keys mean something else.
    """
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        known = merged.get(key)
        if isinstance(value, dict) and isinstance(known, dict) and value.get("kind") in (None, known.get("kind")):
            merged[key] = merge(known, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def typed(value: Any) -> Any:
    """`value` with its strings read as YAML scalars.

    Snakemake's `--config retrain='{epochs: 3}'` yields the string "3".
    """
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    if isinstance(value, str):
        try:
            scalar = safe_parsing.parse_yaml(value.encode()) if re.fullmatch(r"[\w.+-]*", value) else value
        except (safe_parsing.ParseError, UnicodeEncodeError):  # 2020-13-45 looks like a date but is none
            return value
        return scalar if isinstance(scalar, bool | int | float | None) else value
    return value


def _with_one(config: dict, dataset: str) -> dict:
    """`config` with one of its datasets: the others are many, and nothing to what is asked about this one."""
    return {**config, "datasets": {dataset: config["datasets"][dataset]}}


def _overrides(config: dict, dataset: str) -> dict:
    """What a dataset, a cell of the ablation or a member of a family lays over the sections."""
    variant = _variant(config, dataset)
    if variant:
        laid = merge(_overrides(config, variant.dataset), {"search": variant.search})
        cost = merge({"search": config["search"]}, laid)["search"]["cost"]
        return merge(laid, {"search": {"cost": cost_targets.single(cost)}} if isinstance(cost, dict) else {})
    return {key: value for key, value in config["datasets"][dataset].items() if key in SECTIONS}


def _validate(config: dict, origin: str) -> None:
    error = json_schema.violation(config, "config")
    if error is None:
        return
    where = ".".join(str(part) for part in error.absolute_path) or "top level"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        raise UserError(f"{origin}: unknown key {', '.join(unknown)} at {where}; known keys: {', '.join(known)}")
    raise UserError(f"{origin}: {json_schema.told(error)}; see config/README.md")


def dataset_names(config: dict) -> list[str]:
    """Names of the configured datasets, in the file's order."""
    return list(config["datasets"])


@remembered
def for_dataset(config: dict, dataset: str) -> dict:
    """Settings in force for one dataset: its own entry as `dataset`, and every section with its overrides.

    A cell of the ablation and a member of a family have the entry of the dataset that they read.

    Raises:
        UserError: the configuration has no such dataset, cell or member.
    """
    variant = _variant(config, dataset)
    base = variant.dataset if variant else dataset
    if base not in config["datasets"]:
        raise UserError(f"dataset {dataset} is not configured; configured are: {', '.join(config['datasets'])}")
    settings = merge(_with_one(config, base), _overrides(config, dataset))
    entry = settings.pop("datasets")[base]
    defaults: dict[str, Any] = {"source": None, "train_split": "train", "classes": None, "options": {}}
    own = {key: value for key, value in entry.items() if key not in SECTIONS}
    settings["dataset"] = {"name": base, **defaults, **own}
    return settings


@remembered
def manifest_path(config: dict, dataset: str) -> Path:
    """Manifest of the data that a dataset, a cell of the ablation or a member of a family is searched on."""
    return Path(paths.MANIFEST.format(dataset=for_dataset(config, dataset)["dataset"]["name"]))


@remembered
def latency_table_path(config: dict, dataset: str) -> Path | None:
    """Latency table that a search reads: one that the configuration names, or that of the dataset; None without need.

    The members of a family share their dataset's; a cell of the ablation has its own, because of its own space.
    """
    own = for_dataset(config, dataset)
    if own["search"]["cost"]["kind"] != "latency":
        return None
    if own["latency"]["table"]:
        return paths.project_file(own["latency"]["table"])
    variant = _variant(config, dataset)
    return Path(
        paths.LATENCY_TABLE.format(dataset=variant.dataset if isinstance(variant, cost_targets.Member) else dataset)
    )


def identity(value: Any) -> str:
    """Twelve hexadecimal digits that name a JSON value, independent of the order of its keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@remembered
def stage_identity(config: dict, stage: str, dataset: str, seed: int = 0, network: str = "") -> str:
    """Name of everything that a stage's result depends on: its own settings and those of the stages before it.

    The rules pass it as a parameter, so that Snakemake reruns a stage when, and only when, this changes.
    Left out on purpose: output paths, thread counts and the device of a training stage.
    """
    settings = for_dataset(config, dataset)
    parts: dict[str, Any] = {"recipe": RECIPES[stage]}
    data = settings["dataset"]

    def before(other: str) -> str:
        return stage_identity(config, other, dataset, seed, network if other == "retrain" else "")

    if stage == "prepare":
        parts["dataset"] = {key: value for key, value in data.items() if key != "train_split"}
        parts["mmseg"] = project_files.mmengine_digest(project_files.dataset_file(data["type"]))
    elif stage == "latency_table":
        table = settings["latency"]["table"]
        parts["table"] = sha256(paths.project_file(table)) if table else None
        parts |= {key: settings["search"][key] for key in ("space", "dimensions")}
        parts |= {"latency": settings["latency"], "device": settings["device"]}
        parts["dataset"] = [data[key] for key in ("type", "size", "classes")]
    elif stage == "search":
        parts |= {"seed": seed, "search": settings["search"], "prepare": before("prepare")}
        if settings["search"]["cost"]["kind"] == "latency":
            parts["latency"] = before("latency_table")
        parts["model"] = project_files.mmengine_digest(paths.project_file(SUPERNET))
        parts["schedule"] = project_files.mmengine_digest(paths.project_file(settings["search"]["schedule"]))
    elif stage == "discretize":
        parts |= {"search": before("search"), "discretize": settings["discretize"]}
    elif stage == "sample":
        parts |= {"seed": seed, "like": before("discretize")}
    elif stage == "retrain":
        parts |= {"seed": seed, "retrain": settings["retrain"], "train_split": data["train_split"]}
        parts["prepare"] = before("prepare")
        parts["schedule"] = project_files.mmengine_digest(paths.project_file(settings["retrain"]["schedule"]))
        parts["network"] = _network_identity(network, before)
    elif stage == "evaluate":
        parts |= {"retrain": before("retrain"), "evaluate": settings["evaluate"]}
    elif stage == "gap":
        parts["evaluate"] = stage_identity(config, "evaluate", dataset, seed, "searched")
    elif stage == "profile":
        parts |= {"profile": settings["profile"], "device": settings["device"]}
        parts["dataset"] = [data[key] for key in ("type", "size", "classes")]
        if settings["profile"]["weights"] == "trained":
            parts["retrain"] = before("retrain")
        parts["network"] = _network_identity(network, before)
    return identity(parts)


def _network_identity(network: str, before: Callable[[str], str]) -> str:
    file = project_files.network_file(network)
    if file is not None and file.suffix == ".py":
        return project_files.mmengine_digest(file)
    genotype = remembered(read_json)(file) if file else before("discretize" if network == "searched" else "sample")
    return identity([genotype, project_files.mmengine_digest(paths.project_file(DERIVED))])
