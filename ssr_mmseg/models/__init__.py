"""Networks: the supernet, the network derived from a genotype, their operators, heads and losses."""
