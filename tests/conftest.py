"""Settings of all tests: one thread and no Hypothesis deadline, so that results do not depend on other load."""

import gc
import os

import hypothesis

os.environ["OMP_NUM_THREADS"] = "1"
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Spare garbage collections what all tests have imported: mmengine collects for each dataset that it builds."""
    gc.collect()
    gc.freeze()
