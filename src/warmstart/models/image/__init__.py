"""Networks for images: one folder per family, and common modules."""
