"""Settings of all tests: one thread and no Hypothesis deadline, so that results do not depend on other load."""

import os

import hypothesis

os.environ["OMP_NUM_THREADS"] = "1"
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
