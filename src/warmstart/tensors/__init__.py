"""Models of named arrays."""
