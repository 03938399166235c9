"""Columns of a table that are not series: empty ones, numbers of rows, parts of dates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from warmstart.core.records import split_columns
from warmstart.core.records.columns import listed
from warmstart.errors import UsageError
from warmstart.series import calendar_columns, decimals, row_numbers
from warmstart.series.column_types import has_type

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMES = 8
"""Maximum number of distinct cells in a column of splits: three splits, in several spellings."""


def without_empty(table: pd.DataFrame, others: list[Any], notes: list[str]) -> list[Any]:
    """The columns without those that have no value at all, where any others are left."""
    empty = [column for column in others if table[column].isna().all()]
    return _without(others, empty, "they are empty", notes)


def without_row_numbers(
    table: pd.DataFrame, others: list[Any], unique: list[Any], notes: list[str]
) -> list[Any]:
    """The columns without those that number or name the rows, where any others are left."""
    numbers = [c for c in others if c in unique or row_numbers.numbers_rows(table, c)]
    if not any(decimals.is_numeric(table[c]) for c in others if c not in numbers):
        return others
    return _without(others, numbers, "each row has another value", notes)


def without_calendar(
    table: pd.DataFrame, times: pd.DatetimeIndex, others: list[Any], notes: list[str]
) -> list[Any]:
    """The columns without those that say what the timestamps say, where any others are left."""
    repeats = [c for c in others if calendar_columns.repeats_calendar(table[c], str(c), times)]
    return _without(others, repeats, "they follow from the timestamps", notes)


def _without(others: list[Any], ignored: list[Any], reason: str, notes: list[str]) -> list[Any]:
    """The columns without the ignored ones, which a note names; all if none would be left."""
    left = [column for column in others if column not in ignored]
    if not ignored or not left:
        return others
    notes.append(f"ignored, because {reason}: {listed(ignored)}")
    return left


def refuse_splits(table: pd.DataFrame, taken: Sequence[Any], where: str) -> None:
    """Refuse a table for training in which a column marks rows for testing or validation.

    Args:
        table: to train on.
        taken: columns that the caller names.
        where: the table, for messages.

    Raises:
        UsageError: there is such a column.
    """
    few = [
        column
        for column in table.columns
        if column not in taken
        and (not has_type(table[column], "iufcM") or split_columns.split_of_flag(str(column)))
        and table[column].nunique() <= MOST_NAMES
    ]
    distinct = table[few].drop_duplicates()
    cells = {str(column): distinct[column].tolist() for column in few}
    column = split_columns.find_split_column(cells, None, where, whole=True) if cells else None
    if column is None:
        return
    splits = {split_columns.split_of_cell(column, cell) for cell in cells[column]} - {None, "train"}
    if splits:
        raise UsageError(
            f"{where}: the column {column!r} splits the data "
            f"({' and '.join(sorted(map(str, splits)))}); keep only the rows to train on, and "
            "remove the column: the last steps of each series are used for validation. If it "
            f"names series, pass item={column!r}."
        )
