"""Tables with a series in each row, whose columns are its steps: dates, years, or numbers such as d_1,
d_2, ….
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.core.records.columns import listed
from warmstart.errors import UsageError
from warmstart.series import calendar_grid, dates, decimals, name_columns
from warmstart.series.calendar_columns import YEARS
from warmstart.series.column_types import holds_integers, holds_numbers
from warmstart.series.date_forms import MONTH
from warmstart.series.layout import ITEMS, Layout

if TYPE_CHECKING:
    import pandas as pd

LEAST_STEPS = 3
LEAST_NUMBERED = 6
"""Numbered columns below which they may be measurements."""
_NUMBERED = re.compile(r"(\D*)(\d{1,6})")
_TIME = re.compile(
    rf"{MONTH}|(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*|(?:q|week|day|hour)?\s*\d+", re.IGNORECASE
)


def long_form(table: pd.DataFrame, layout: Layout, where: str) -> pd.DataFrame:
    """A table with a series in each row in long form, and one of years by months with a row for
    each month; any other as it is.

    Columns of years or numbers are steps where a column of text names each row, and is not one of
    times: then the rows may be steps as well. `where` is the name of the table, for messages.

    Raises:
        UsageError: a row has no name, or rows as well as columns may be series.
    """
    grid = calendar_grid.unrolled(table, layout)
    if grid is not table:
        return grid
    is_described = layout.target is not None or layout.timestamp is not None
    if is_described or {"timestamp", "target"} & {*table.columns}:
        return table
    steps, step_type = _steps(table)
    others = [column for column in table.columns if column not in steps]
    if len(steps) < LEAST_STEPS or len(others) > len(steps):
        return table
    texts = [column for column in others if not decimals.is_numeric(table[column])]
    name = None if layout.items else _name_column(table, others, texts)
    if step_type != "dates":
        if step_type == "years" and len(others) == 1 and not texts and not layout.items:
            raise UsageError(
                f"{where}: each row may be a series over the years {listed(steps)}, or "
                f"each column may be one: pass item={str(others[0])!r} for the first, or "
                "rename the columns."
            )
        is_named = {*others} - {*texts} <= {*layout.items} and (
            bool(layout.items) or name is not None
        )
        if not is_named or any(_are_times(table[column]) for column in texts):
            return table
    columns = [*layout.items, *layout.static] if name is None else [name, *layout.static]
    if name is None and not layout.items:
        columns += texts
    columns = [column for column in dict.fromkeys(columns) if column in others]
    note = f"each row is a series; its columns are {_WORDS[step_type]}"
    notes = [*table.attrs.get("notes", ()), note]
    if left := [column for column in others if column not in columns]:
        notes.append(f"ignored, because they are not steps: {listed(left)}")
    time = "step" if step_type == "numbers" else "timestamp"
    long = table.rename(columns=steps).melt(columns, [*steps.values()], time, "target")
    if not columns:
        rows = [f"row {number}" for number in range(1, len(table) + 1)]
        long.insert(0, "item_id", np.tile(rows, len(steps)))
    if name is not None:
        name_columns.check_present(long[name], name, layout, where)
        long = long.rename(columns={name: "item_id"})
    if step_type == "numbers":
        long = long[_up_to_last(table[[*steps]])]
    long.attrs["notes"] = tuple(notes)
    return long


_WORDS = {"dates": "named by dates", "years": "years", "numbers": "numbered"}


def _steps(table: pd.DataFrame) -> tuple[Mapping[Any, Any], str]:
    """The columns of steps, with what each stands for: "dates", "years" or "numbers"."""
    numeric = [column for column in table.columns if holds_numbers(table[column])]
    days = {column: column for column in numeric if dates.is_date(str(column))}
    if len(days) >= LEAST_STEPS:
        return days, "dates"
    matches = {column: _NUMBERED.fullmatch(str(column)) for column in numeric}
    groups: dict[str, dict[Any, int]] = {}
    for column, match in matches.items():
        if match is not None:
            groups.setdefault(match[1], {})[column] = int(match[2])
    for prefix, numbers in groups.items():
        differences = {after - before for before, after in itertools.pairwise(numbers.values())}
        is_year = not prefix and all(YEARS[0] <= year <= YEARS[1] for year in numbers.values())
        if is_year and len(differences) == 1 and min(differences) > 0:
            return {column: f"{year}-01-01" for column, year in numbers.items()}, "years"
        if differences == {1} and len(numbers) >= LEAST_NUMBERED:
            return numbers, "numbers"
    return {}, ""


def _name_column(table: pd.DataFrame, others: Sequence[Any], texts: Sequence[Any]) -> Any:
    """The column that names the series: of text, or under a usual name, with other values in each
    row; the only column of text anyway, or the only other column, of integers; None if there is
    none.
    """
    usual = [column for column in others if str(column).lower() in ITEMS]
    for column in (*usual, *texts):
        if table[column].is_unique and table[column].notna().all():
            return column
    if len(texts) == 1:
        return texts[0]
    numbers = [column for column in others if holds_integers(table[column])]
    is_only = len(others) == 1 and bool(numbers) and bool(table[numbers[0]].is_unique)
    return numbers[0] if is_only else None


def _are_times(column: pd.Series) -> bool:
    """Whether a column of text may be that of times: dates, months, days of the week, counted steps."""
    texts = [str(value).strip() for value in column.dropna()]
    return all(dates.is_date(text) or _TIME.fullmatch(text) for text in texts)


def _up_to_last(values: pd.DataFrame) -> Any:
    """Whether a cell is at or before the last value of its row; bool (N,), column by column."""
    is_there = values.notna().to_numpy()
    return np.logical_or.accumulate(is_there[:, ::-1], axis=1)[:, ::-1].T.ravel()
