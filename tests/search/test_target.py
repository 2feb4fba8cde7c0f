"""A search for a target ends at it, and takes its latency table seriously."""

import pytest
from latency_tables import macs_ms, synthetic
from tiny_experiment import DATASET, experiment

from ssr_mmseg import layout
from ssr_mmseg.errors import UserError
from ssr_mmseg.files import read_json
from ssr_mmseg.genotype import Genotype
from ssr_mmseg.profiling import environment
from ssr_mmseg.search_cost import search_cost
from ssr_mmseg.search_space import SearchSpace
from ssr_mmseg.stages.discretize import discretize, sample
from ssr_mmseg.stages.search import search

LONGER = {"epochs": 12, "shrink_epochs": 8, "threshold": 0.1}


def write_table(config: dict, device: str) -> None:
    """A table of the tiny space, in the place where its search looks."""
    import torch

    del torch
    space = SearchSpace.from_settings(config["search"])
    table = synthetic(space, of=macs_ms, size=[32, 64], classes=12, device=device)
    table.write(layout.PROJECT / "unused") if device == "" else table.write(table_path())
