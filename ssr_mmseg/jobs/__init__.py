"""Jobs of the workflow: the list of them, their progress, status, failures and preemption."""
