"""Entry point of `python -m ssr_mmseg`, the same as `ssr-mmseg`."""

import sys

from ssr_mmseg.cli import main

sys.exit(main())
