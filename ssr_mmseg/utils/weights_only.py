"""Restriction of `torch.load` to data, for the whole process and its children; does not import torch."""

import os


def force_weights_only() -> None:
    """Let `torch.load` only read data and never run code from a file, whatever its arguments."""
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    # the opposite setting: with both, torch would reject every file
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
