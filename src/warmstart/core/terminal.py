"""Results for a terminal, drawn with characters."""

from __future__ import annotations

import sys
from collections.abc import Iterable


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun: "1 token", "2,000 tokens"; `plural` where it is not the noun and s."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def bar(share: float, cells: int = 24) -> str:
    """A bar of eighths of a cell, as far as the output's encoding has them; `share` is 0 to 1."""
    eighths = round(share * cells * 8)
    parts: tuple[str, ...] = ("", *"▏▎▍▌▋▊▉")
    text = "█" * (eighths // 8) + parts[eighths % 8]
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * (eighths // 8)
    return text


def bars(rows: Iterable[tuple[str, float]]) -> list[str]:
    """Names and shares (0 to 1) as lines."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}}  {share:6.1%}  {bar(share)}" for name, share in rows]
