"""Columns that name series or categories; in CSV files, `007` is not 7."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError
from warmstart.series.column_types import holds_integers
from warmstart.series.date_column import Dates
from warmstart.series.layout import ITEMS, Layout

if TYPE_CHECKING:
    import pandas as pd


def among(header: Sequence[str], layout: Layout) -> list[str]:
    """The columns that may name series or categories."""
    return [name for name in header if layout.holds_names(name) or name.lower() in ITEMS]


def read(column: pd.Series, *, must_be_text: bool) -> pd.Series:
    """A column of text as numbers where that changes no name, else as it is written.

    Args:
        column: of text.
        must_be_text: whether it has names for sure; else it has them where numbers repeat.
    """
    import pandas as pd

    try:
        numbers = pd.to_numeric(column)
    except (ValueError, OverflowError):
        return column
    texts = column.dropna().str.strip()
    is_same = bool((pd.to_numeric(texts).astype(str) == texts).all())
    may_be_numbers = not must_be_text and numbers.is_unique
    return numbers if is_same or may_be_numbers else column.str.strip()


def check_repeated(table: pd.DataFrame, time: Dates, targets: list[Any], where: str) -> None:
    """Refuse several rows of one time where a column of few integers separates them.

    Raises:
        UsageError: there is such a column.
    """
    import pandas as pd

    if time.times is None or time.times.is_unique or len(targets) < 2:
        return
    for column in targets:
        values = table[column]
        is_few = holds_integers(values) and values.nunique() <= len(values) / 2
        if is_few and not pd.MultiIndex.from_arrays([time.times, values]).duplicated().any():
            raise UsageError(
                f"{where} has several rows of one time, and the column {str(column)!r} tells them apart: "
                f"give item={str(column)!r} for a series of each of its {values.nunique()} values, or "
                "say what to do with the rows as duplicates='sum' or 'mean'."
            )
