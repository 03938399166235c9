"""Columns that number or name the rows of a table: they are not series, and do not tell series apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.records.columns import ROW_NAMES
from warmstart.series import frequency
from warmstart.series.column_types import has_type, holds_integers, holds_numbers
from warmstart.series.date_numbers import COUNTERS, evident_dates

if TYPE_CHECKING:
    import pandas as pd

NAMES = (*ROW_NAMES, "no", "no.", "nr", "nr.", "num", "row", "rownum", "row_number", "row_id", "#")
LEAST, LEAST_SHUFFLED = 3, 6
"""Rows below which a column shows nothing; where they are not in order."""
LEAST_UNORDERED = 1e7
"""Numbers below may be years or months only where they are in order."""
SPARSE = 4
"""A counter has at least one in so many of its steps."""


def numbers_rows(table: pd.DataFrame, column: Any) -> bool:
    """Whether a column of integers counts the rows, in any order: from 0 or 1 on, or from any
    number under a usual name.
    """
    values = table[column]
    if not holds_integers(values) or len(values) < LEAST:
        return False
    integers = values.to_numpy(np.int64)
    is_ordered = len(np.unique(np.diff(integers))) == 1
    if not is_ordered and len(values) < LEAST_SHUFFLED:
        return False
    if (np.diff(np.sort(integers)) != 1).any():
        return False
    return str(column).strip().lower() in NAMES or int(values.min()) in (0, 1)


def names_rows(table: pd.DataFrame, column: Any) -> bool:
    """Whether each row has a value of its own in this column."""
    return len(table) >= LEAST and bool(table[column].is_unique)


def counter(table: pd.DataFrame, by_name: dict[str, Any], items: Any) -> Any:
    """The column that counts steps, under one of `COUNTERS`; None if there is none. One of times
    in an unknown unit is one too, and cannot be read.
    """
    for name in COUNTERS:
        column = by_name.get(name)
        if column is not None and has_type(table[column], "f") and name in ("t", "time"):
            steps = np.diff(table[column].to_numpy(float))
            if len(steps) >= LEAST and (steps > 0).all():
                return column
        if column is None or not holds_integers(table[column]):
            continue
        groups = table.groupby(list(items))[column] if items else [("", table[column])]
        if all(_counts(values.to_numpy(np.int64)) for _, values in groups):
            return column
    return None


def _counts(values: NDArray[np.int64]) -> bool:
    """Whether integers are numbers of steps: each once, in order, most of them there."""
    steps = np.diff(values)
    if not len(steps):
        return True
    size = int(np.gcd.reduce(steps))
    is_ordered = bool((steps > 0).all() or (steps < 0).all())
    return is_ordered and abs(int(values[-1]) - int(values[0])) < SPARSE * size * len(values)


def date_column(table: pd.DataFrame, by_name: dict[str, Any], items: Any) -> Any:
    """The column of numbers that are dates under whatever name: times since 1970, 20240131, 202401
    or 2024, evenly spaced; None if there is none.
    """
    for column in by_name.values():
        if column in items or not holds_numbers(table[column]):
            continue
        values = table[column].dropna().to_numpy(float)
        if len(values) < LEAST or (not items and len(np.unique(values)) < len(values)):
            continue
        times = evident_dates(np.unique(values))
        is_ordered = bool((np.diff(values) > 0).all() or (np.diff(values) < 0).all())
        if times is None or not (is_ordered or items or values.min() > LEAST_UNORDERED):
            continue
        if frequency.infer(times) is not None:
            return column
    return None
