"""Settings of an experiment: its configuration and scenarios, the files that they name, and the paths of results.

Must not import torch or mmengine: the Snakefile imports this package, in every cluster job.
"""

from ssr_mmseg.settings.experiment_config import (
    DEFAULTS,
    complete,
    dataset_names,
    latency_table_path,
    manifest_path,
    parse_file,
    read_config,
)
from ssr_mmseg.settings.overrides import merge, typed
from ssr_mmseg.settings.scenario import for_dataset
from ssr_mmseg.settings.stage_identity import joined_identity, made_from, stage_identity
from ssr_mmseg.settings.stage_table import STAGES
from ssr_mmseg.settings.start_weights import start_weights

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
