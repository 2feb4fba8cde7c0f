"""Imports mmsegmentation without the lines that it prints at its first import: import this before what uses it."""

import command_line  # noqa: F401  # puts off what mmsegmentation imports without need

from ssr_mmseg.utils.deferred_imports import uncollected_imports
from ssr_mmseg.utils.third_party_noise import quiet_standard_output

with quiet_standard_output(), uncollected_imports():
    import mmseg.datasets  # noqa: F401
