"""The receptive field of a stack of dilated convolutions."""

from __future__ import annotations

from collections.abc import Sequence


def receptive_field(filter_width: int, dilations: Sequence[int]) -> int:
    """Steps of the input that one step of a stack's output depends on, itself included."""
    return 1 + (filter_width - 1) * sum(dilations)
