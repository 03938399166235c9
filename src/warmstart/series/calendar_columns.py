"""Columns that hold parts of a date: `year`, `month`, `weekday`, …"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.series.column_types import holds_integers, holds_numbers

if TYPE_CHECKING:
    import pandas as pd

YEARS = (1700, 2300)
CALENDAR: dict[str, str] = {
    "year": "year",
    "quarter": "quarter",
    "month": "month",
    "week": "week",
    "day": "day",
    "hour": "hour",
    "minute": "minute",
    "weekday": "day_of_week",
    "dayofweek": "day_of_week",
    "day_of_week": "day_of_week",
    "dow": "day_of_week",
    "dayofyear": "day_of_year",
    "day_of_year": "day_of_year",
}
"""Name of a column -> the attribute of the row's timestamp that it may hold."""


def repeats_calendar(column: pd.Series, name: str, times: pd.DatetimeIndex) -> bool:
    """Whether a column only repeats a part of the timestamps: their year, month, weekday, …"""
    attribute = CALENDAR.get(name.lower())
    if attribute is None or not holds_numbers(column):
        return False
    part: Any = times.isocalendar().week if attribute == "week" else getattr(times, attribute)
    values, expected = column.to_numpy(float), np.asarray(part, float)
    shift = 1 if attribute == "day_of_week" else 0
    return bool((values == expected).all() or (values == expected + shift).all())


def of_parts(
    table: pd.DataFrame, by_name: dict[str, Any]
) -> tuple[pd.DatetimeIndex, list[Any]] | None:
    """Timestamps from columns `year` and `month`, `quarter` or `week`, maybe `day` and `hour`; and
    the names of these columns.
    """
    import pandas as pd

    def whole(name: str) -> bool:
        column = table[by_name[name]] if name in by_name else None
        return column is not None and holds_integers(column)

    if not whole("year") or not table[by_name["year"]].between(*YEARS).all():
        return None
    small = next((name for name in ("month", "quarter", "week") if whole(name)), "")
    if not small:
        return None
    if small == "week":
        return _of_weeks(table, [by_name["year"], by_name["week"]])
    used = ["year", small]
    parts = {"year": table[by_name["year"]], "month": table[by_name[small]], "day": 1}
    if small == "quarter":
        parts["month"] = 3 * parts["month"] - 2
    for name in ("day", "hour", "minute"):
        if not whole(name):
            break
        parts[name] = table[by_name[name]]
        used.append(name)
    times = pd.to_datetime(pd.DataFrame(parts), errors="coerce")
    if times.isna().any():
        return None
    return pd.DatetimeIndex(times), [by_name[name] for name in used]


def _of_weeks(table: pd.DataFrame, columns: list[Any]) -> tuple[pd.DatetimeIndex, list[Any]] | None:
    """Timestamps of the Mondays of ISO weeks; and the names of the columns."""
    import pandas as pd

    pairs = zip(*(table[column].tolist() for column in columns), strict=True)
    try:
        days = [date.fromisocalendar(year, week, 1) for year, week in pairs]
    except ValueError:
        return None
    return pd.DatetimeIndex(days), columns
