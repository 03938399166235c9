"""Networks for texts: one folder per family, and common modules."""
