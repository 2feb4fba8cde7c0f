"""The mmengine configs that an experiment names, each once, with the part of the workflow that uses it.

Must not import torch or mmengine: the Snakefile imports this module.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ssr_mmseg.settings import paths, project_files
from ssr_mmseg.settings.experiment_config import for_dataset
from ssr_mmseg.settings.scenario import scenarios
from ssr_mmseg.utils.hashing import identity

SUPERNET, DERIVED = "SSRSupernet", "SSRNet"  # backbones


@dataclass(frozen=True)
class NamedConfig:
    """An mmengine config file and its use.

    Attributes:
        part: `search`, `retrain`, `baseline` (a model alone) or `dataset` (a dataset type).
        name: The file as the experiment names it, in the working directory or else in the project.
        backbone: The backbone that its model must have, or None for any.
        cfg_options: Values laid over it by dotted key, as JSON.
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
        return identity({**asdict(self), "content": project_files.mmengine_digest(self.file)})


def named_configs(config: dict) -> list[NamedConfig]:
    """Return the mmengine configs of a completed configuration, over all of its scenarios, without repetition."""
    kinds = {network: project_files.network_kind(network) for network in config["networks"]}
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
    return list(dict.fromkeys(configs))


def search_config(search: dict) -> NamedConfig:
    """Return the config that a completed section `search` names, with its options."""
    return NamedConfig("search", search["config"], SUPERNET, json.dumps(search["cfg_options"]))


def baseline_config(network: str) -> NamedConfig:
    """Return the config of a baseline."""
    folder, suffix = project_files.NETWORK_FOLDERS["baseline"]
    return NamedConfig("baseline", f"{folder}/{network}{suffix}")
