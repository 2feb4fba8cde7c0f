"""Training data: seeded augmentation on the CPU, and datasets kept and augmented on the device."""
