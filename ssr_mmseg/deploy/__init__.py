"""From a trained network to a file that runs without it: rewriting, export, prediction.

Importing this package, and `ssr_mmseg.deploy.predict`, needs no torch.
"""
