"""Timeout of tests that wait for other processes."""

PATIENCE = 3600  # seconds; only a hanging process takes this long, even on a busy machine
