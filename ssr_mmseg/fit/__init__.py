"""From a folder of labeled images and a frame time to an experiment: what the command `fit` plans before it runs it."""
