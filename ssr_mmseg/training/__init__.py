"""Training that can be stopped after any iteration and resumed with the same result."""
