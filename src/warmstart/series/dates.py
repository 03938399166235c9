"""Columns of timestamps: one format for the whole column, inferred from all of its rows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from warmstart.errors import InputError, documented_in
from warmstart.series.column_types import holds_dates, holds_numbers
from warmstart.series.date_column import DateColumn, Dates
from warmstart.series.date_forms import FORMS, ISO
from warmstart.series.date_numbers import NumberReader
from warmstart.series.date_texts import TextReader, formatted

if TYPE_CHECKING:
    import pandas as pd

WORDS = ("excel", "unix", "steps")
"""Values of a date format other than a format of strftime."""
TIME_OF_DAY = re.compile(r":|\d[T ]\d{1,2}\.\d\d")
"""The sign that a date has a time of day; a dot may separate hours and minutes."""
PLAIN_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def is_date(text: str) -> bool:
    """Whether a text is a date, and not a plain number."""
    text = text.strip()
    if PLAIN_NUMBER.fullmatch(text):
        return False
    return bool(ISO.fullmatch(text)) or any(form.fullmatch(text) for form in FORMS)


def looks_like_dates(column: pd.Series) -> bool:
    """Whether the first values of a column of text are dates."""
    values = [str(value) for value in column.dropna().head(20)]
    return bool(values) and all(map(is_date, values))


def holds_days(column: pd.Series) -> bool:
    """Whether no value has a time of the day."""
    if str(column.dtype).startswith("period"):
        return False
    if holds_dates(column):
        return bool((column.dt.normalize() == column).all())
    if holds_numbers(column):
        return bool((column == column.round()).all())
    return not column.dropna().astype(str).str.contains(TIME_OF_DAY).any()


@documented_in("forecasting.md#dates-and-numbers")
def read(values: pd.Series, name: str, where: str, date_format: str | None = None) -> Dates:
    """The timestamps of a column.

    Args:
        values: of text, numbers or dates.
        name: of the column, for messages.
        where: the table, for messages.
        date_format: a format of strftime such as "%d/%m/%Y", or "excel", "unix" or "steps".

    Raises:
        InputError: a value is not a timestamp, or the column can be read in two ways.
    """
    import pandas as pd

    if isinstance(values.dtype, pd.PeriodDtype):
        return Dates(pd.DatetimeIndex(values.dt.to_timestamp()))
    if holds_dates(values):
        return Dates(pd.DatetimeIndex(values))
    column = DateColumn(values, name, where, date_format)
    if holds_numbers(values):
        return NumberReader(column).read(values.to_numpy(float))
    sample = values.dropna()
    if not len(sample):
        raise column.refuse("is empty; pass another one as timestamp=.")
    if not isinstance(sample.iloc[0], str):
        return Dates(_converted(values, name, where))
    if date_format is not None and date_format not in WORDS:
        return formatted(column, date_format)
    if all(PLAIN_NUMBER.fullmatch(str(text).strip()) for text in sample.unique()):
        return NumberReader(column).read(np.asarray(pd.to_numeric(values), np.float64))
    if date_format is not None:
        raise column.refuse(f"contains text; {date_format!r} is for columns of numbers.")
    return TextReader(column).read()


def _converted(column: pd.Series, name: str, where: str) -> pd.DatetimeIndex:
    """Python's dates and datetimes; those of several zones in UTC."""
    import pandas as pd

    try:
        return pd.DatetimeIndex(pd.to_datetime(column))
    except (ValueError, TypeError):
        try:
            return pd.DatetimeIndex(pd.to_datetime(column, utc=True))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{where}: the column {name!r} does not contain dates: "
                f"{str(error).splitlines()[0]}",
                where,
            ) from error
