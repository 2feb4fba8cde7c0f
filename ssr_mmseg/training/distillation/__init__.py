"""Learning from another network besides the labels: a trained teacher, or a second copy of the network."""
