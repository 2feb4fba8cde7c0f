"""Rivals of the search: ways to choose a network of the same space and cost, one file each.

To add one, put a file here with a `Selector` under `@SELECTORS.register_module(name=…)`; `networks` of a configuration
then accepts the name, and `NAME_2`, `NAME_3` … for further draws.
"""

from ssr_mmseg.search.selection.task import SelectionTask
from ssr_mmseg.search.selectors.base import SELECTORS, Selector
from ssr_mmseg.utils.registry import import_modules

__all__ = ["SELECTORS", "SelectionTask", "Selector"]

import_modules(__path__, __name__)
