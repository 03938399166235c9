"""Tables of one series with years by months or quarters, such as R's AirPassengers."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

from warmstart.core.records.columns import listed
from warmstart.series.calendar_columns import YEARS
from warmstart.series.column_types import holds_integers, holds_numbers
from warmstart.series.date_forms import MONTH, MONTHS
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

_MONTH = re.compile(MONTH, re.IGNORECASE)
_QUARTER = re.compile("q(?:uarter)?[ _]?([1-4])", re.IGNORECASE)
_YEAR = re.compile(r"(?:1[789]|20|21)\d\d")
VALUE = "value"
"""The name of the series."""
STEPS = {tuple(range(1, 13)): "months", (1, 4, 7, 10): "quarters"}
"""First months of the steps of a year -> what they are."""


def unrolled(table: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """A table of years by months or quarters, with a row for each month or quarter; any other table
    unchanged.

    Either the columns or the rows are the years.
    """
    is_described = layout.target is not None or layout.timestamp is not None or bool(layout.items)
    if is_described:
        return table
    grid = _years_in_rows(table) or _years_in_columns(table)
    if grid is None:
        return table
    long, steps, left = grid
    dates = (
        long["year"].astype(int).astype(str) + "-" + long["month"].astype(int).astype(str) + "-01"
    )
    long = long.assign(timestamp=_timestamps(dates))[["timestamp", VALUE]]
    notes = [*table.attrs.get("notes", ()), f"years by {steps}: one series"]
    if left:
        notes.append(f"ignored, because they are not {steps}: {listed(left)}")
    long = long.sort_values("timestamp").reset_index(drop=True)
    long.attrs["notes"] = tuple(notes)
    return long


def _timestamps(texts: pd.Series) -> pd.Series:
    """Timestamps of texts such as 1949-1-01."""
    import pandas as pd

    return pd.to_datetime(texts, format="%Y-%m-%d")


def _years_in_rows(table: pd.DataFrame) -> tuple[pd.DataFrame, str, list[Any]] | None:
    """Columns `year`, `month` and the value, the name of the steps, and the columns that are left out."""
    months = {column: month for column in table.columns if (month := _period(str(column)))}
    steps = STEPS.get(tuple(months.values()))
    others = [column for column in table.columns if column not in months]
    year = next((column for column in others if _are_years(table[column])), None)
    if steps is None or year is None or not all(holds_numbers(table[column]) for column in months):
        return None
    long = table.rename(columns={**months, year: "year"}).melt(
        ["year"], [*months.values()], "month", VALUE
    )
    return long, steps, [column for column in others if column != year]


def _years_in_columns(table: pd.DataFrame) -> tuple[pd.DataFrame, str, list[Any]] | None:
    """Like `_years_in_rows`, for a table whose rows are the months or quarters."""
    years = {column: int(column) for column in table.columns if _YEAR.fullmatch(str(column))}
    others = [column for column in table.columns if column not in years]
    is_in_turn = all(b - a == 1 for a, b in itertools.pairwise(years.values()))
    if len(others) != 1 or len(years) < 2 or not is_in_turn:
        return None
    texts = [str(value) for value in table[others[0]]]
    numbers = tuple(int(text) if text.isdecimal() else _period(text) or 0 for text in texts)
    steps = STEPS.get(numbers)
    if steps is None or not all(holds_numbers(table[column]) for column in years):
        return None
    long = table.assign(**{others[0]: numbers}).rename(columns={**years, others[0]: "month"})
    return long.melt(["month"], [*years.values()], "year", VALUE), steps, []


def _period(name: str) -> int | None:
    """The first month of the month or quarter that a column is named after."""
    if match := _MONTH.fullmatch(name.strip()):
        return MONTHS.index(match["name"][:3].lower()) + 1
    quarter = _QUARTER.fullmatch(name.strip())
    return None if quarter is None else 3 * int(quarter[1]) - 2


def _are_years(column: Any) -> bool:
    """Whether a column has a different year in each row."""
    is_year = holds_integers(column) and bool(column.between(*YEARS).all())
    return is_year and bool(column.is_unique)
