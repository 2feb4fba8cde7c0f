"""Work in slices of time: as much as fits, what is needed to continue in a few small files, and on from there."""
