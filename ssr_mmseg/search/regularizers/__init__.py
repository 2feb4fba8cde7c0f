"""Losses on gate groups that drive a search to discrete choices, one file each.

To add one, put a file here with a `Regularizer` under `@REGULARIZERS.register_module()`; configurations then use the
name of the class.
"""

from collections.abc import Mapping
from typing import Any

from ssr_mmseg.search.regularizers.base import REGULARIZERS, Regularizer
from ssr_mmseg.utils.registry import build, import_modules

__all__ = ["REGULARIZERS", "Regularizer", "build_regularizer"]

import_modules(__path__, __name__)


def build_regularizer(config: str | Mapping[str, Any]) -> Regularizer:
    """Build the regularizer that a configuration names.

    Args:
        config: A name, or a mapping of `type` (the name) and the constructor's arguments.

    Raises:
        UserError: The name or an argument is unknown.
    """
    return build(REGULARIZERS, config, "regularizer")
