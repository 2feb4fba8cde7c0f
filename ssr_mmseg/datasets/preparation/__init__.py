"""Preparation of a dataset: obtain it, verify every image/label pair, and write the manifest."""
