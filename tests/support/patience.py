"""How long tests wait for other processes."""

PATIENCE = 3600  # seconds: only what hangs takes as long, whatever else uses the cores
