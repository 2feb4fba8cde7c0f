"""Shared by all tests: one thread, so that results and timings do not depend on what else runs."""

import os
import sys
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parent))
