"""The configuration of an experiment: what it says, which files it names, and where results go.

Light on purpose (no torch, no mmengine): the workflow imports it whenever it is parsed, also in every cluster job.
"""

from ssr_mmseg.settings.experiment_config import (
    DEFAULTS,
    DERIVED,
    RECIPES,
    SUPERNET,
    complete,
    dataset_names,
    for_dataset,
    identity,
    latency_table_path,
    manifest_path,
    members,
    merge,
    networks,
    read_config,
    stage_identity,
    typed,
    variants,
)

__all__ = [
    "DEFAULTS",
    "DERIVED",
    "RECIPES",
    "SUPERNET",
    "complete",
    "dataset_names",
    "for_dataset",
    "identity",
    "latency_table_path",
    "manifest_path",
    "members",
    "merge",
    "networks",
    "read_config",
    "stage_identity",
    "typed",
    "variants",
]
