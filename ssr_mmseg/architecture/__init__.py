"""The nouns of the method: search space, genotype, gates and the structure of a supernet. No network is built here."""
