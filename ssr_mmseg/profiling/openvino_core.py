"""OpenVINO's entry point, of which a process has one that is never released. Imports no torch."""

from functools import cache
from typing import Any

from ssr_mmseg.utils.extras import require


@cache
def openvino_core() -> Any:
    """Return the `openvino.Core` of this process.

    OpenVINO's CPU plugin replaces the alternate signal stack of the thread that loads it, and unmaps the one it has set
    when the last object of a core is released. Two cores that are not released in reverse order leave a stack that is
    unmapped: the next signal that Python handles, such as Ctrl-C or the end of a loader process, then ends the process.

    Raises:
        UserError: OpenVINO is not installed.
    """
    library: Any = require("openvino", "backend openvino")
    return library.Core()
