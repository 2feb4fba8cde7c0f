"""Training hooks: state, history, weight averaging, compilation, validation and progress."""
