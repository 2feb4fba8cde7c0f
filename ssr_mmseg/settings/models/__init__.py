"""Pydantic models of an experiment configuration: the keys, types, limits and meanings of every section.

They are the only description of a configuration: the validation (`settings.validation`), the published JSON Schema and
the tables of config/README.md (`settings.reference`) are derived from them. Default values are in config/config.yaml.
"""

from ssr_mmseg.settings.models.ablation import Ablation, AblationBlock
from ssr_mmseg.settings.models.contest import Contest
from ssr_mmseg.settings.models.costs import Cost, LatencyCost, MacsCost, PluginCost
from ssr_mmseg.settings.models.datasets import DatasetEntry
from ssr_mmseg.settings.models.experiment import Experiment, Monitor, Threads
from ssr_mmseg.settings.models.networks import Output, Preprocess, Rival
from ssr_mmseg.settings.models.recommend import Recommend
from ssr_mmseg.settings.models.search import Discretize, Regularizer, Search, SearchSpace, SpaceStage
from ssr_mmseg.settings.models.timing import Backend, Latency, Profile
from ssr_mmseg.settings.models.training import Evaluate, Retrain

__all__ = [
    "Ablation",
    "AblationBlock",
    "Backend",
    "Contest",
    "Cost",
    "DatasetEntry",
    "Discretize",
    "Evaluate",
    "Experiment",
    "Latency",
    "LatencyCost",
    "MacsCost",
    "Monitor",
    "Output",
    "PluginCost",
    "Preprocess",
    "Profile",
    "Recommend",
    "Regularizer",
    "Retrain",
    "Rival",
    "Search",
    "SearchSpace",
    "SpaceStage",
    "Threads",
]
