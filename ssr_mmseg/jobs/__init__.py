"""Jobs of the workflow: their names and results, progress, status, failures and preemption."""
