"""Series in JSON, as GluonTS writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.series import dates, frequency
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd


def is_series(record: Any) -> bool:
    """Whether a record is a series, not a row of a table."""
    return isinstance(record, list) or (
        isinstance(record, dict) and isinstance(record.get("target"), list)
    )


def series_of(record: Any, name: str, layout: Layout) -> tuple[str, pd.Series]:
    """The name and the values of a series.

    Args:
        record: a list of numbers, or a mapping: `target`, maybe with `timestamp`s or with `start`
            and `freq`, and with `item_id`, the name.
        name: of the series where the record has none, and for messages.
        layout: how to read it.

    Raises:
        InputError: it is not a series.
    """
    import pandas as pd

    fields = record if isinstance(record, Mapping) else {"target": record}
    target = fields.get("target")
    if not isinstance(target, list) or not target:
        message = 'a series in a table is {"target": [numbers], …}, or a list of numbers'
        raise InputError(f"{name}: {message}", name)
    index: Any = None
    try:
        if "timestamp" in fields:
            times = fields["timestamp"]
            if not isinstance(times, list) or len(times) != len(target):
                raise InputError(
                    f"{name}: 'timestamp' must be a list as long as 'target', of "
                    f"{counted(len(target), 'timestamp')}.",
                    name,
                )
            column = pd.Series(times)
            column_dates = dates.read(column, "timestamp", name, layout.date_format)
            index = column_dates.times if column_dates.times is not None else column_dates.steps
        elif "start" in fields:
            freq = fields.get("freq") or layout.freq or layout.expected
            if freq is None:
                raise InputError(
                    f'{name}: it has a start but no frequency; add it to the line ("freq": '
                    '"D"), or pass freq=.',
                    name,
                )
            index = _dates(fields["start"], freq, len(target), name, layout)
        _check_numbers(target, name)
        series = pd.Series(target, index=index, dtype="float64")
    except (ValueError, TypeError) as error:
        raise InputError(f"{name}: {error}", name) from error
    item = fields.get("item_id")
    return name if item is None else str(item), series


def _dates(start: Any, freq: Any, steps: int, name: str, layout: Layout) -> pd.DatetimeIndex:
    """The timestamps of a series; a start within a month, quarter or year is in that period.

    Raises:
        InputError: the start is not a timestamp, or can be read in two ways, or the frequency does
            not exist.
    """
    import pandas as pd
    from pandas.tseries.frequencies import to_offset
    from pandas.tseries.offsets import MonthBegin, QuarterBegin, YearBegin

    if not isinstance(start, str | date) or not isinstance(freq, str):
        raise InputError(
            f"{name}: 'start' must be a timestamp such as \"2024-01-31\", and 'freq' a frequency such "
            'as "D".',
            name,
        )
    if isinstance(start, str):
        read = dates.read(pd.Series([start]), "start", name, layout.date_format)
        start = None if read.times is None else read.times[0]
    try:
        offset = to_offset(frequency.normal(freq))
    except UsageError as error:
        raise InputError(f"{name}: {error}", name) from error
    first = pd.Timestamp(start)
    if isinstance(offset, MonthBegin | QuarterBegin | YearBegin):
        first = offset.rollback(first)
    return pd.date_range(first, periods=steps, freq=offset)


def _check_numbers(target: list[Any], name: str) -> None:
    """Refuse values that are not numbers.

    Raises:
        InputError: there is one; names the series and the step.
    """
    for step, value in enumerate(target):
        try:
            float("nan" if value is None else value)
        except (ValueError, TypeError):
            raise InputError(
                f"{name}: {value!r} in 'target' (value {step + 1}) is not a number; correct it, or "
                "write null where the value is missing.",
                name,
            ) from None
