"""Networks for speech: one folder per family, and common modules."""
