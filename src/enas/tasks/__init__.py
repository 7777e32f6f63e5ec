"""Tasks turn tensors into batches, losses and rewards."""
