"""What third parties print, warn or log that tells the user of our commands nothing; all else that they say is shown.

Only the command line silences it, for its own process: importing the package changes nothing.
"""

import contextlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Iterator

# Each table: by the beginning of the text, who says it and why it may be hidden.
PRINTED = {
    "Could not import OneDL": "mmseg, twice when it is imported, of a dataset format that is not used here; it prints "
    "because a message without a logger ignores its level, DEBUG",
}
WARNED = {
    "Fail to import ``MultiScaleDeformableAttention`` from": "mmcv, when it is imported without compiled operators, "
    "that one should install mmcv rather than mmcv-lite; no network here uses that operator",
    "For binary segmentation, we suggest": "mmseg, for every head of two classes; a softmax over both is meant",
    "Default ``avg_non_ignore`` is False": "mmseg, for every CrossEntropyLoss with the usual mean over all pixels",
}
LOGGED = {  # still written to the log file of a training
    "System environment:": "mmengine, 40 lines per training; the environment is recorded in the result",
    "Hooks will be executed in the following order": "mmengine, 120 lines per training",
    "Distributed training is not used, all SyncBatchNorm": "mmengine, for every network, whether it has one or not",
    "The prefix is not set in metric class": "mmengine, for every metric of mmseg",
}
_logged = re.compile(rf"[\s-]*(?:{'|'.join(map(re.escape, LOGGED))})")


def silence_warnings() -> None:
    """Hide the warnings in `WARNED` in this process."""
    for text in WARNED:
        warnings.filterwarnings("ignore", message=re.escape(text))


@contextlib.contextmanager
def quiet_standard_output() -> Iterator[None]:
    """Drop the lines in `PRINTED` that a block prints, and move its other lines to the standard error.

    The standard output is left to results, which may be JSON.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            if not line.startswith(tuple(PRINTED)):
                print(line, file=sys.stderr)


def silence_logs() -> None:
    """Keep the records in `LOGGED` from the terminal in this process; mmengine must have been imported."""
    from mmengine.logging import MMLogger

    if hasattr(MMLogger.callHandlers, "everywhere"):
        return
    everywhere = MMLogger.callHandlers

    def call_handlers(self: MMLogger, record: logging.LogRecord) -> None:
        if not _logged.match(record.getMessage()):
            everywhere(self, record)
            return
        for handler in self.handlers:
            if isinstance(handler, logging.FileHandler) and record.levelno >= handler.level:
                handler.handle(record)

    call_handlers.everywhere = everywhere  # type: ignore[attr-defined]
    MMLogger.callHandlers = call_handlers
