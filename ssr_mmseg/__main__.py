"""`python -m ssr_mmseg` is `ssr-mmseg`."""

import sys

from ssr_mmseg.cli import main

sys.exit(main())
