"""FCOS on any classification backbone."""
