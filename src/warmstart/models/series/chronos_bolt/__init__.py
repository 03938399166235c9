"""Chronos-Bolt."""
