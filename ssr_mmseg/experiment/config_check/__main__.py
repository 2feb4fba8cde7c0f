"""Program that `ssr_mmseg.jobs.planning` starts: configs to check as JSON on standard input, mistakes on the output."""

import json
import os
import sys

from ssr_mmseg.settings.named_configs import NamedConfig
from ssr_mmseg.utils.deferred_imports import defer_imports, uncollected_imports
from ssr_mmseg.utils.errors import UserError


def main() -> None:
    """Print a JSON list with one line for each config that has a mistake, and null for the others."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what third parties print is not part of the answer
    configs = [NamedConfig(**fields) for fields in json.load(sys.stdin)]
    defer_imports()

    with uncollected_imports():
        from ssr_mmseg.experiment.config_check.check import check_config

    mistakes: list[str | None] = []
    for config in configs:
        try:
            check_config(config)
            mistakes.append(None)
        except UserError as error:
            mistakes.append(str(error))
    with output:
        json.dump(mistakes, output)


if __name__ == "__main__":
    main()
