"""Engines run programs; the artifact store keeps compiled programs. See `base`, `store` and `choose`."""
