"""Import this to have every component in mmsegmentation's registries (`custom_imports` in an mmengine config)."""

from ssr_mmseg import datasets, transforms
from ssr_mmseg.checkpoints import forbid_unpickling
from ssr_mmseg.models import losses, supernet
from ssr_mmseg.search import hooks as search_hooks
from ssr_mmseg.search import loop as search_loop
from ssr_mmseg.training import (
    averaging,
    board,
    data,
    hooks,
    loop,
    precision,
    preprocessing,
    progress,
    speed,
    validation,
)

__all__ = [
    "averaging",
    "board",
    "data",
    "datasets",
    "derived",
    "heads",
    "hooks",
    "loop",
    "losses",
    "precision",
    "preprocessing",
    "progress",
    "search_hooks",
    "search_loop",
    "speed",
    "supernet",
    "transforms",
    "validation",
]

forbid_unpickling()
