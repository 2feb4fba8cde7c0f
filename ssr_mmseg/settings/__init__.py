"""Settings of an experiment: its configuration and scenarios, the files that they name, and the paths of results.

Must not import torch or mmengine: the Snakefile imports this package, in every cluster job. What validates
configurations takes most of the time to import, so it is imported when it is first used: many commands read none.
"""

from typing import TYPE_CHECKING

from ssr_mmseg.settings.overrides import merge, typed
from ssr_mmseg.settings.paths import DEFAULTS
from ssr_mmseg.settings.scenario import for_dataset
from ssr_mmseg.settings.stage_identity import joined_identity, made_from, stage_identity
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.settings.start_weights import start_weights
from ssr_mmseg.utils.lazy_names import lazy_names

if TYPE_CHECKING:
    from ssr_mmseg.settings.experiment_config import (
        complete,
        dataset_names,
        latency_table_path,
        manifest_path,
        parse_file,
        read_config,
    )

__all__ = [
    "DEFAULTS",
    "STAGES",
    "complete",
    "dataset_names",
    "for_dataset",
    "joined_identity",
    "latency_table_path",
    "made_from",
    "manifest_path",
    "merge",
    "parse_file",
    "read_config",
    "stage_identity",
    "start_weights",
    "typed",
]

_LATER = ("complete", "dataset_names", "latency_table_path", "manifest_path", "parse_file", "read_config")
__getattr__ = lazy_names(__name__, {name: f"ssr_mmseg.settings.experiment_config:{name}" for name in _LATER})
