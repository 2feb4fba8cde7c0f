"""What every other folder may use: errors, files, parsing, schemas, devices and processes."""
