"""Hooks of a training: state, history, averages, compilation, validation and progress."""
