"""Layouts of labeled images on disk. Each module finds the pairs of one kind of layout; `detect.py` chooses."""
