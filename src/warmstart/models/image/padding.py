"""Padding as PyTorch does it."""

from __future__ import annotations

from typing import Any

from keras import layers


def padded(x: Any, before: tuple[int, int], after: tuple[int, int] | None = None) -> Any:
    """Zeros around the pixels of (B, H, W, C): rows and columns before, and after (default: as
    many).
    """
    after = before if after is None else after
    if not any((*before, *after)):
        return x
    return layers.ZeroPadding2D(((before[0], after[0]), (before[1], after[1])))(x)
