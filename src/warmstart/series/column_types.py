"""The type of a column's values, by its dtype."""

from __future__ import annotations

from typing import Any


def has_type(column: Any, codes: str) -> bool:
    """Whether the dtype of a column or array is one of numpy's codes."""
    return column.dtype.kind in codes


def holds_integers(column: Any) -> bool:
    return has_type(column, "iu")


def holds_numbers(column: Any) -> bool:
    """Whether it holds integers or floats."""
    return has_type(column, "iuf")


def holds_dates(column: Any) -> bool:
    """Whether it holds timestamps."""
    return has_type(column, "M")
