"""SSR: joint-dimensional architecture search for real-time segmentation networks, on mmsegmentation.

`dir(ssr_mmseg)` lists the Python interface, which docs/python_api.md describes. Importing this package does not import
torch, because the workflow needs only settings and paths: each name below is imported when it is first used.

Importing any part of it changes nothing of torch's or mmengine's; the command line and `Experiment` restrict what
their process loads.
"""

from typing import TYPE_CHECKING

from ssr_mmseg.utils.lazy_names import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ssr_mmseg.api.base import Network
    from ssr_mmseg.api.loading import load
    from ssr_mmseg.architecture.genotype import Genotype, build_genotype
    from ssr_mmseg.architecture.search_space import SearchSpace
    from ssr_mmseg.costs import build_cost
    from ssr_mmseg.models.derived_network import SSRNet
    from ssr_mmseg.models.supernet import SSRSupernet as Supernet
    from ssr_mmseg.search.objective import ArchitectureObjective
    from ssr_mmseg.search.step import TwoPhaseStep
    from ssr_mmseg.utils.errors import UserError

__all__ = [
    "ArchitectureObjective",
    "Genotype",
    "Network",
    "SSRNet",
    "SearchSpace",
    "Supernet",
    "TwoPhaseStep",
    "UserError",
    "build_cost",
    "build_genotype",
    "load",
]

_PLACES = {
    "ArchitectureObjective": "ssr_mmseg.search.objective:ArchitectureObjective",
    "Genotype": "ssr_mmseg.architecture.genotype:Genotype",
    "Network": "ssr_mmseg.api.base:Network",
    "SSRNet": "ssr_mmseg.models.derived_network:SSRNet",
    "SearchSpace": "ssr_mmseg.architecture.search_space:SearchSpace",
    "Supernet": "ssr_mmseg.models.supernet:SSRSupernet",
    "TwoPhaseStep": "ssr_mmseg.search.step:TwoPhaseStep",
    "UserError": "ssr_mmseg.utils.errors:UserError",
    "build_cost": "ssr_mmseg.costs:build_cost",
    "build_genotype": "ssr_mmseg.architecture.genotype:build_genotype",
    "load": "ssr_mmseg.api.loading:load",
}

__getattr__ = lazy_names(__name__, _PLACES)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
