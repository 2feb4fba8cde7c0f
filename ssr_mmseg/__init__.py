"""SSR: joint-dimensional architecture search for real-time segmentation networks, on mmsegmentation.

Importing this package is cheap: the workflow imports it for settings and paths, and torch is only loaded by the
modules that compute with it.
"""

__version__ = "0.1.0"
