"""SSR: joint-dimensional architecture search for real-time segmentation networks, on mmsegmentation.

Importing this package does not import torch, because the workflow needs only settings and paths.

It changes one setting of the whole process: `torch.load` only reads data and never runs code, whatever its arguments.
"""

import os

os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
os.environ.pop(
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None
)  # the opposite setting: with both, torch would reject every file

__version__ = "0.1.0"
