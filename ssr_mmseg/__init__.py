"""SSR: joint-dimensional architecture search for real-time segmentation networks, on mmsegmentation.

Importing this package does not import torch, because the workflow needs only settings and paths.

Importing any part of it changes nothing of torch's or mmengine's; the command line and `Experiment` restrict what
their process loads.
"""

__version__ = "0.1.0"
