"""Checkpoints: validated state files, their rotation, and the lock of a work folder."""
