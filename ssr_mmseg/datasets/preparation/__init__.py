"""Preparation of a dataset: obtain it, check every pair of image and label, and write the manifest."""
