"""Checkpoints: state files that are validated before they are read, their rotation, and the lock of a work folder."""
