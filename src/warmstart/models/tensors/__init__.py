"""Networks of named arrays."""
