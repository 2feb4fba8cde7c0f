"""Import of labeled images as people have them: their layouts, label encodings and splits, to one clean form."""
