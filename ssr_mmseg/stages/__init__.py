"""Stages of the workflow and further commands, one file each: read inputs, compute, write outputs atomically."""
