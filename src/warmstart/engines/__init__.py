"""Engines run programs; the artifact store has the compiled ones. See `base`, `store` and `choose`."""
