"""SSR: joint-dimensional architecture search for real-time segmentation networks, on mmsegmentation.

Importing this package is cheap: the workflow imports it for settings and paths, and torch is only loaded by the
modules that compute with it.

It decides one thing for the whole process: `torch.load` reads data and never runs code, whoever calls it with whatever
arguments.
"""

import os

os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)  # its contrary, with which torch would refuse every file

__version__ = "0.1.0"
