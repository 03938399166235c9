"""Columns that name series or categories; in CSV files, `007` is not 7."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from warmstart.errors import InputError, UsageError
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


def check_present(column: pd.Series, name: Any, layout: Layout, where: str) -> None:
    """Refuse rows of a table without the name of their series; `where` is the name of the table.

    Raises:
        UsageError: there are such rows.
    """
    empty = int(column.isna().sum())
    if not empty:
        return
    advice = "; fill in the cells"
    if not layout.holds_names(str(name)):
        advice += f", or, where NA is the name of a series in a CSV file, pass item={str(name)!r}"
    rows = "1 row has" if empty == 1 else f"{empty:,} rows have"
    raise UsageError(
        f"{where}: {rows} no name in the column {str(name)!r}: the cell is empty, or has a missing "
        f"value such as NA{advice}."
    )


def constant(values: NDArray[Any], column: str, name: str) -> str:
    """The category that is the same in all rows of a series.

    Raises:
        InputError: there are several.
    """
    distinct = {str(value) for value in values}
    if len(distinct) > 1:
        raise InputError(
            f"{name}: the static column {column!r} has {len(distinct)} values in this series; it must be "
            "the same in all its rows.",
            name,
        )
    return distinct.pop()


def check_repeated(table: pd.DataFrame, time: Dates, targets: list[Any], where: str) -> None:
    """Refuse several rows of one time where a column of few integers separates them, or two.

    Raises:
        UsageError: there is such a column.
    """
    import pandas as pd

    if time.times is None or time.times.is_unique or len(targets) < 2:
        return
    few = [c for c in targets if holds_integers(table[c]) and table[c].nunique() <= len(table) / 2]
    for columns in chain(combinations(few, 1), combinations(few, 2)):
        keys = [time.times, *(table[column] for column in columns)]
        if len(columns) == len(targets) or pd.MultiIndex.from_arrays(keys).duplicated().any():
            continue
        names = [str(column) for column in columns]
        count = len(table[list(columns)].drop_duplicates())
        item, noun = (repr(names[0]), "column") if len(names) == 1 else (str(names), "columns")
        raise UsageError(
            f"{where} has several rows with the same time, and the {noun} "
            f"{' and '.join(map(repr, names))} {'tells' if len(names) == 1 else 'tell'} them "
            f"apart: pass item={item} for each of the {count} series, or merge the rows with "
            "duplicates='sum' or 'mean'."
        )
