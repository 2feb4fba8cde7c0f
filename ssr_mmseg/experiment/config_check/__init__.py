"""Check of mmengine configs before anything runs: names, arguments, and whether the parts can be built."""
