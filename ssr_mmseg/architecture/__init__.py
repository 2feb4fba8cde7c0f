"""Search space, gates, genotypes and supernet structures: the terms of the method, without the networks."""
