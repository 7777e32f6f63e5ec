"""Training one architecture from scratch, and testing it."""
