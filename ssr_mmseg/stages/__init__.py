"""What each rule of the workflow does, one file per stage: read inputs, compute, write outputs whole."""
