"""Small pictures made of characters."""

from __future__ import annotations

import sys


def bar(share: float, cells: int = 24) -> str:
    """A bar of eighths of a cell, as far as the output's encoding has them; `share` is 0 to 1."""
    eighths = round(share * cells * 8)
    text = "█" * (eighths // 8) + ("", *"▏▎▍▌▋▊▉")[eighths % 8]
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * (eighths // 8)
    return text
