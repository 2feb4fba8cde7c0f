"""Helpers that every other folder may use: errors, files, parsing, schemas, plug-ins, devices and processes."""
