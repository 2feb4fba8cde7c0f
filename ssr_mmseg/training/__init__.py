"""Training that can be stopped at any iteration and goes on as if it had not been."""
