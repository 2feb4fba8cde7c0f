"""Experiments: mmengine configs for the jobs of the workflow, with genotypes, dataloaders and search costs."""
