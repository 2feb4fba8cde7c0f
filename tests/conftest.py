"""Shared by all tests: one thread and no deadline, so that results and timings do not depend on what else runs."""

import os

import hypothesis

os.environ["OMP_NUM_THREADS"] = "1"
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
