"""Counts with their nouns, as messages write them."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 token", "2,000 tokens"; `plural` where it is not the noun and s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def singular(plural: str) -> str:
    """The singular of a noun with a regular plural, or of "series"."""
    return plural if plural == "series" else plural.removesuffix("s")
