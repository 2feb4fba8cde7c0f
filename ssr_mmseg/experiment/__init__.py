"""Experiments: a row of the workflow becomes an mmengine configuration, with its genotype and its search cost."""
