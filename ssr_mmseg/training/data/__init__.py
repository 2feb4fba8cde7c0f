"""Training data: seeded augmentation on the CPU, images kept on the device, and transforms of whole batches."""
