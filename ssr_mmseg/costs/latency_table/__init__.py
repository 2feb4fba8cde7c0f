"""Latency of the networks of a search space on one device: a table of measured parts, and the model that adds them up.

`parts` says what is measured, `table` is the file on disk, `model` predicts from it, `modules`, `timing` and `measure`
make it.
"""
