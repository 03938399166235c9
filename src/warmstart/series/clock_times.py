"""Timestamps in two columns: the days, and the times of day."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.series.column_types import has_type, holds_numbers

if TYPE_CHECKING:
    import pandas as pd

NAMES = (
    "time",
    "hour",
    "hr",
    "hours",
    "time of day",
    "clock",
    "start time",
    "uhrzeit",
    "zeit",
    "stunde",
)
"""Usual names of columns of times of day; a column of numbers must have one of them."""
CLOCK = re.compile(
    r"(?P<hour>\d{1,2})(?:(?P<mark>[:.])(?P<minute>\d{2})(?:(?P=mark)(?P<second>\d{2}(?:\.\d+)?))?)?"
    r"\s*(?:(?P<half>[ap])\.?m\.?)?",
    re.IGNORECASE,
)


def column(table: pd.DataFrame, day: Any, others: list[Any]) -> Any:
    """The column of the times that belong to a column of days; None if there is none.

    A column of text qualifies if every cell is a time such as 13:30 or 1 PM; a column of numbers if
    it has a usual name, holds hours, and days are repeated.
    """
    for other in others:
        values = table[other]
        if holds_numbers(values):
            hours = values.dropna()
            is_hour = _is_usual(other) and len(hours) == len(values) and hours.between(0, 24).all()
            if is_hour and (hours == hours.round()).all() and table[day].duplicated().any():
                return other
        elif are_times(values):
            return other
    return None


def _is_usual(name: Any) -> bool:
    return str(name).strip().lower().replace("_", " ") in NAMES


def are_times(values: pd.Series) -> bool:
    """Whether a column of text holds only times of day, such as 13:30, 13.30.00 or 1 PM; 13.30
    counts as one if the column has a usual name.
    """
    if has_type(values, "iufbcM"):
        return False
    texts = [str(value).strip() for value in values.unique()]
    matches = [CLOCK.fullmatch(text) for text in texts]
    dots = _is_usual(values.name)
    return bool(texts) and all(
        match is not None and _is_time(match, dots) and _seconds(match) <= 86_400
        for match in matches
    )


def _is_time(match: re.Match[str], dots: bool) -> bool:
    """Whether this is not a number; `dots`: hour and minute may be separated by a dot."""
    if match["half"] or match["second"]:
        return True
    return match["minute"] is not None and (dots or match["mark"] == ":")


def offsets(values: pd.Series) -> pd.TimedeltaIndex:
    """Time since the beginning of the day of each row; 24:00 is a day."""
    import pandas as pd

    if holds_numbers(values):
        return pd.to_timedelta(values.to_numpy(float) * 3600, unit="s")
    codes, texts = pd.factorize(values.astype(str).str.strip())
    matches = [CLOCK.fullmatch(text) for text in texts]
    seconds = np.array([_seconds(match) if match else np.nan for match in matches])
    return pd.to_timedelta(seconds[codes], unit="s")


def _seconds(match: re.Match[str]) -> float:
    hour = int(match["hour"])
    if half := match["half"]:
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    return 3600.0 * hour + 60 * int(match["minute"] or 0) + float(match["second"] or 0)
