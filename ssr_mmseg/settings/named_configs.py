"""What an experiment names and only torch or mmengine can check, each once: mmengine configs, with the part of the
workflow that uses them, and selectors.

Must not import torch or mmengine: the Snakefile imports this module.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.experiment_config import for_dataset
from ssr_mmseg.settings.rivals import trained_networks
from ssr_mmseg.settings.scenario import scenarios
from ssr_mmseg.utils.hashing import identity

SUPERNET, DERIVED = "SSRSupernet", "SSRNet"  # backbones


@dataclass(frozen=True)
class NamedConfig:
    """An mmengine config file and its use, or a selector with its arguments.

    Attributes:
        part: `search`, `retrain`, `baseline` (a model alone), `dataset` (a dataset type) or `selector`.
        name: The file as the experiment names it, in the working directory or else in the project; or the selector.
        backbone: The backbone that its model must have, or None for any.
        cfg_options: Values laid over it by dotted key, as JSON; the arguments of a selector.
    """

    part: str
    name: str
    backbone: str | None = None
    cfg_options: str = "{}"

    @property
    def file(self) -> Path:
        """The file's path."""
        return paths.project_file(self.name)

    @property
    def options(self) -> dict[str, Any]:
        """The values laid over it, by dotted key."""
        return json.loads(self.cfg_options)

    def digest(self) -> str:
        """Return an identity of the file's content, bases included, and of its use."""
        content = None if self.part == "selector" else project_files.mmengine_digest(self.file)
        return identity({**asdict(self), "content": content})


def named_configs(config: dict) -> list[NamedConfig]:
    """Return those of a completed configuration, over all of its scenarios, without repetition."""
    kinds = {network: project_files.network_kind(network) for network in trained_networks(config)}
    derived = DERIVED if set(kinds.values()) - {"baseline"} else None
    configs = []
    for name in scenarios(config):
        settings = for_dataset(config, name)
        configs += [
            search_config(settings["search"]),
            NamedConfig("retrain", settings["retrain"]["config"], derived),
            NamedConfig("dataset", f"{project_files.DATASET_TYPES}/{settings['dataset']['type']}.py"),
        ]
    configs += [baseline_config(name) for name, kind in kinds.items() if kind == "baseline"]
    for name, arguments in config["selectors"].items():
        configs.append(NamedConfig("selector", name, cfg_options=json.dumps(arguments)))
    return list(dict.fromkeys(configs))


def search_config(search: dict) -> NamedConfig:
    """Return the config that a completed section `search` names, with its options."""
    return NamedConfig("search", search["config"], SUPERNET, json.dumps(search["cfg_options"]))


def baseline_config(network: str) -> NamedConfig:
    """Return the config of a baseline."""
    folder, suffix = project_files.NETWORK_FOLDERS["baseline"]
    return NamedConfig("baseline", f"{folder}/{network}{suffix}")
