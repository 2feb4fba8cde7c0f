"""What every benchmark is as a command: only results on the standard output, and one line for a user's mistake."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ssr_mmseg.utils.deferred_imports import defer_imports
from ssr_mmseg.utils.errors import UserError, one_line
from ssr_mmseg.utils.third_party_noise import silence_warnings

silence_warnings()
defer_imports()


def run_benchmark(main: Callable[[], int | None]) -> NoReturn:
    """Run a benchmark, and exit with its status, or with 2 and one line if it raises a UserError."""
    try:
        status = main()
    except UserError as error:
        print(f"{Path(sys.argv[0]).stem}: {one_line(error)}", file=sys.stderr)
        status = 2
    sys.exit(status)
