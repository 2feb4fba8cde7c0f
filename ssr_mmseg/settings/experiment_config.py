"""The experiment's configuration: read, completed, validated, and narrowed to one scenario.

Must not import torch or mmengine: the Snakefile imports this module, in every cluster job.
"""

import copy
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.cache import cached, caching
from ssr_mmseg.settings.extent import check_extent
from ssr_mmseg.settings.models.datasets import DEFAULT_OVERLAP
from ssr_mmseg.settings.overrides import merge
from ssr_mmseg.settings.paths import DEFAULTS
from ssr_mmseg.settings.plugin_names import check_plugin_name, class_arguments, plugin_names
from ssr_mmseg.settings.rivals import check_rivals, trained_networks
from ssr_mmseg.settings.scenario import Scenario, for_dataset, scenario_named, scenarios
from ssr_mmseg.settings.start_weights import check_inputs_of_trainings
from ssr_mmseg.settings.teachers import MUTUAL, distillation
from ssr_mmseg.settings.validation import validate
from ssr_mmseg.utils import safe_parsing
from ssr_mmseg.utils.errors import UserError
from ssr_mmseg.utils.files import read_bytes, read_json

YTE = "__use_yte__"  # a YAML file with this key is a template of the language yte, which embeds Python


def read_config(path: str | Path, changes: dict | None = None) -> dict:
    """Read an experiment configuration (YAML or JSON), complete and validate it.

    Args:
        path: The file.
        changes: Settings merged into those of the file, such as those of Snakemake's `--config`.

    Raises:
        UserError: The file is missing or not a mapping, or has an unknown key or an invalid value.
    """
    user = parse_file(path)
    if changes and isinstance(user, dict):
        return complete(merge(user, changes), f"{path} and --config")
    return complete(user, str(path))


def parse_file(path: str | Path) -> Any:
    """Return the content of a configuration file, before it is completed and validated.

    Raises:
        UserError: The file is missing, not YAML of plain values (see `safe_parsing`), or a program of Snakemake's yte.
    """
    try:
        user = safe_parsing.parse_yaml(read_bytes(Path(path), safe_parsing.MAX_YAML_BYTES))
    except OSError as error:
        raise UserError(f"could not read the configuration {path}: {error.strerror}; check the path") from error
    except safe_parsing.ParseError as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if isinstance(user, dict) and YTE in user:
        raise UserError(
            f"{path}: found the key {YTE}, which lets Snakemake run code in the file, expected a configuration of data "
            "only; remove that key and the code"
        )
    return user


def complete(user: Any, origin: str = "configuration") -> dict:
    """Fill in the keys that `user` omits from the project's `config/config.yaml`, and validate the result.

    `datasets` and `ablation` are not merged with the defaults but replace them: a configuration with datasets of its
    own has the ablation that it defines, or none. Every file named in the settings is read here, so that a wrong name
    is reported before a run starts.

    Raises:
        UserError: Not a mapping, an unknown key or name, an invalid value, or a file that is missing or malformed.
    """
    if not isinstance(user, dict):
        raise UserError(f"{origin}: expected a mapping of settings, found {type(user).__name__}; see config/README.md")
    user = _with_text_keys(user)
    try:  # Snakemake may have parsed the file, without these checks
        safe_parsing.check_plain(user, safe_parsing.MAX_YAML_VALUES)
    except safe_parsing.ParseError as error:
        raise UserError(f"{origin} is not a configuration: {error}; see config/README.md") from error
    defaults = yaml.safe_load((paths.PROJECT / DEFAULTS).read_text(encoding="utf-8"))
    config = merge(defaults, user)
    replaced = {key: copy.deepcopy(user[key]) for key in ("datasets", "ablation") if key in user}
    if "datasets" in replaced:
        config.pop("ablation", None)
    config |= replaced
    validate(config, origin)
    with caching():
        check_extent(config, origin)
        _check_selectors(config["selectors"], f"{origin}: selectors")
        check_rivals(config, origin)
        for name in config["datasets"]:
            _check_scenario(config, scenario_named(config, name), f"{origin}: datasets.{name}")
        for scenario in scenarios(config).values():
            if scenario.name not in config["datasets"]:
                _check_scenario(config, scenario, f"{origin}: {scenario.name}")
    return config


def _with_text_keys(user: dict) -> dict:
    """Return a configuration whose maps of classes have text keys: a YAML parser reads `255: water` as a number."""
    changed: dict[str, Any] = {}
    if isinstance(datasets := user.get("datasets"), dict):
        changed["datasets"] = {name: _text_keys_at(entry, "label_map") for name, entry in datasets.items()}
    if isinstance(networks := user.get("networks"), list):
        changed["networks"] = [_text_keys_at(entry, "classes") for entry in networks]
    return {**user, **changed}


def _text_keys_at(entry: Any, key: str) -> Any:
    """Return an entry whose mapping at a key, if it is one, has text instead of integers as keys."""
    mapping = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(mapping, dict):
        return entry
    return {**entry, key: {str(name) if type(name) is int else name: value for name, value in mapping.items()}}


def _check_scenario(config: dict, scenario: Scenario, origin: str) -> None:
    """Validate the settings of a scenario and the files that they name; networks only for the dataset itself."""
    one = {**config, "datasets": {scenario.dataset: config["datasets"][scenario.dataset]}}
    settings = merge(one, scenario.overrides)
    validate(settings, origin)
    _check_plugin_names(settings, origin)
    _check_tiles(one["datasets"][scenario.dataset], origin)
    project_files.mmengine_digest(project_files.dataset_file(one["datasets"][scenario.dataset]["type"]))
    project_files.mmengine_digest(paths.project_file(settings["search"]["config"]))
    latency_table_path(config, scenario.name)
    if scenario.name == scenario.dataset:
        project_files.mmengine_digest(paths.project_file(settings["retrain"]["config"]))
        for network in trained_networks(config):
            _check_network(network)
        _check_teacher(config, scenario.dataset, origin)
        check_inputs_of_trainings(config, scenario.dataset, origin)


def _check_teacher(config: dict, dataset: str, origin: str) -> None:
    """Refuse a teacher that is no network of the workflow, such as a rival, and one from which nothing is learned."""
    trained = trained_networks(config)
    if for_dataset(config, dataset)["retrain"].get("distill") is None or not trained:
        return
    section = next(filter(None, (distillation(config, dataset, network) for network in trained)), None)
    if section is None:
        raise UserError(f"{origin}: retrain.distill.teacher: {trained[0]} is the only network; add one that learns")
    if not section["logits"] and not section["features"]:
        raise UserError(f"{origin}: retrain.distill: logits and features are 0; set one of them, or distill to null")
    if section["teacher"] == MUTUAL:
        return
    try:
        _check_network(section["teacher"])
    except UserError as error:
        raise UserError(f"{origin}: retrain.distill.teacher: {error}") from None


def _check_tiles(entry: dict, origin: str) -> None:
    """Refuse tiles of another size than the network's input, and an overlap that leaves nothing of them."""
    tiles, size = entry.get("tiles"), entry["size"]
    if tiles is None:
        return
    if tiles.get("size") not in (None, size):
        raise UserError(
            f"{origin}: tiles.size is {tiles['size']}, expected {size}, the dataset's size; set both to one"
        )
    overlap = tiles.get("overlap", DEFAULT_OVERLAP)
    if 2 * overlap > min(size):
        raise UserError(f"{origin}: tiles.overlap is {overlap}, expected at most half of the tile's {min(size)} pixels")


def _check_selectors(selectors: dict, origin: str) -> None:
    """Refuse arguments of selectors that do not exist, which would be ignored, or found only after the search."""
    for name, arguments in selectors.items():
        known = plugin_names("selector")
        if name not in known:
            raise UserError(f"{origin}: unknown selector {name};{_hint(name, known)} known are: {', '.join(known)}")
        accepted = class_arguments("selector", name)
        for key in arguments:
            if key not in accepted:
                listed = ", ".join(accepted) or "none"
                raise UserError(
                    f"{origin}.{name}: unknown argument {key};{_hint(key, accepted)} its arguments are: {listed}"
                )


def _hint(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" did you mean {close[0]}?" if close else ""


def _check_plugin_names(settings: dict, origin: str) -> None:
    """Refuse misspelled names of plug-ins."""
    search = settings["search"]
    regularizer = search["regularizer"]
    regularizer = regularizer if isinstance(regularizer, str) else regularizer["type"]
    check_plugin_name("regularizer", regularizer, f"{origin}: search.regularizer")
    check_plugin_name("cost", search["cost"]["type"], f"{origin}: search.cost.type")
    check_plugin_name("backend", settings["latency"]["backend"], f"{origin}: latency.backend")
    for backend in settings["profile"]["backends"]:
        name = backend if isinstance(backend, str) else backend["name"]
        check_plugin_name("backend", name, f"{origin}: profile.backends")


def _check_network(network: str) -> None:
    """Read the file that defines a network, if there is one."""
    file = project_files.network_file(network)
    if file is not None:
        if file.suffix == ".py":
            project_files.mmengine_digest(file)
        else:
            cached(read_json)(file)


def dataset_names(config: dict) -> list[str]:
    """Return the names of the configured datasets, in the file's order."""
    return list(config["datasets"])


@cached
def manifest_path(config: dict, dataset: str) -> Path:
    """Return the path of the manifest of the data that a scenario reads."""
    return paths.result_path(config, paths.MANIFEST, dataset=scenario_named(config, dataset).dataset)


@cached
def latency_table_path(config: dict, dataset: str) -> Path | None:
    """Return the path of the latency table that a scenario's search reads, or None if its cost needs none."""
    settings = for_dataset(config, dataset)
    if settings["search"]["cost"]["type"] != "latency":
        return None
    if settings["latency"]["table"]:
        return paths.project_file(settings["latency"]["table"])
    return paths.result_path(config, paths.LATENCY_TABLE, dataset=scenario_named(config, dataset).latency_table)
