"""Latency of a search space's networks on one device: a table of measured parts, and a model that predicts from it.

`parts` lists what is measured, `modules` builds it, `measure` times it, `table` is the file on disk, and `predictor`
adds up the parts of a network.
"""
