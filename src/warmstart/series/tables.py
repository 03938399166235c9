"""Tables of series: read CSV and Parquet files, and find out which column is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.records.columns import listed
from warmstart.errors import InputError, UsageError, documented_in
from warmstart.series import (
    calendar_columns,
    clock_times,
    date_numbers,
    dates,
    decimals,
    name_columns,
    other_columns,
    row_numbers,
)
from warmstart.series.column_types import has_type, holds_dates, holds_integers, holds_numbers
from warmstart.series.date_column import Dates
from warmstart.series.date_numbers import EXCEL, UNIX
from warmstart.series.layout import ITEMS, Layout

if TYPE_CHECKING:
    import pandas as pd

TIMES = ("timestamp", "ds", "date", "datetime", "time", "month", "week", "day", "period", "year")
TARGETS = ("target", "y", "value")


@dataclass(frozen=True)
class Columns:
    """The roles of the columns of a table.

    Attributes:
        items: whose values together name a series; () in a wide table.
        times: a timestamp per row; None without.
        steps: the number of the step of each row, where a column counts them.
        targets: one with `items`, else one a series.
        notes: on how the table was read, for people.
        by_role: names of the columns, as `Layout.remembered` has them.
    """

    items: tuple[Any, ...]
    times: pd.DatetimeIndex | None
    steps: NDArray[np.int64] | None
    targets: list[Any]
    notes: tuple[str, ...]
    by_role: dict[str, Any]


def flat(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the levels of a MultiIndex, such as (item, timestamp), as columns."""
    import pandas as pd

    index = table.index
    if not isinstance(index, pd.MultiIndex):
        return table
    names: list[Any] = []
    for number, (name, level) in enumerate(zip(index.names, index.levels, strict=True)):
        is_time = isinstance(level, pd.DatetimeIndex | pd.PeriodIndex)
        default = "timestamp" if is_time else "item_id" if number == 0 else f"level_{number}"
        names.append(default if name is None else name)
    clash = [name for name in names if name in table.columns]
    if clash:
        raise UsageError(f"The table has an index level and a column {clash[0]!r}; rename one.")
    return table.rename_axis(index=names).reset_index()


@documented_in("forecasting.md#inputs")
def columns(table: pd.DataFrame, layout: Layout, where: str) -> Columns:
    """Find out what is what; what the layout names is taken as named.

    Raises:
        UsageError: a named column is not there, or the target is not clear.
        InputError: the timestamps cannot be read, or can be read in two ways.
    """
    named = (layout.target, *layout.items, layout.timestamp, *layout.known, *layout.static)
    for column in named:
        if column is not None and column not in table.columns:
            raise UsageError(f"{where} has no column {column!r}; it has: {listed(table.columns)}.")
    if layout.is_training:
        other_columns.refuse_splits(table, named, where)
    by_name = {str(column).lower(): column for column in table.columns}
    notes = list(table.attrs.get("notes", ()))
    items = layout.items or tuple(
        [by_name[n] for n in ITEMS if n in by_name and by_name[n] not in named][:1]
    )
    unique = [c for c in items if not layout.items and row_numbers.names_rows(table, c)]
    items = tuple(column for column in items if column not in unique)
    time, used_by_time = _timestamps(table, layout, by_name, items, where)
    used = (*items, *used_by_time, *layout.known, *layout.static)
    others = [
        column
        for column in table.columns
        if column not in used and not str(column).startswith("Unnamed")
    ]
    notes += [time.note] if time.note else []
    targets = [layout.target] if layout.target is not None else []
    if not targets:
        others = other_columns.without_empty(table, others, notes)
        others = other_columns.without_row_numbers(table, others, unique, notes)
        before = others
        items, others = _without_text(table, time, items, others, notes, where)
        unread = [column for column in before if column not in (*items, *others)]
        if time.times is not None:
            others = other_columns.without_calendar(table, time.times, others, notes)
        targets = _targets(table, items, others, unread, by_name, where)
        if not items and layout.duplicates == "error":
            name_columns.check_repeated(table, time, targets, where)
    roles: dict[str, Any] = {"target": targets[0]} if len(targets) == 1 else {}
    roles |= {"item": list(items)} if items else {}
    roles |= {"timestamp": used_by_time[0]} if len(used_by_time) == 1 else {}
    by_role = {
        role: value
        for role, value in roles.items()
        if all(isinstance(n, str) for n in (value if isinstance(value, list) else [value]))
    }
    return Columns(items, time.times, time.steps, targets, tuple(notes), by_role)


def _targets(
    table: pd.DataFrame,
    items: Sequence[Any],
    others: list[Any],
    unread: Sequence[Any],
    by_name: dict[str, Any],
    where: str,
) -> list[Any]:
    """The columns of values; `unread` are those of text.

    Raises:
        InputError: there are only such columns, and their cells have digits.
        UsageError: there is none, or there are several.
    """
    if not items:
        if not others:
            decimals.check_texts(table, unread, where)
            raise UsageError(
                f"{where} has no column of numbers besides timestamps; it has: "
                f"{listed(table.columns)}."
            )
        return others
    targets = [by_name[n] for n in TARGETS if n in by_name and by_name[n] in others]
    numeric = [c for c in others if decimals.is_numeric(table[c])]
    if not targets and len(numeric) != 1:
        if not others:
            decimals.check_texts(table, unread, where)
        raise UsageError(
            f"{where} has {len(numeric)} columns that may be the series "
            f"({listed(numeric)}); pass one as target= (and to train, covariates as "
            "known_covariates=)."
        )
    return targets[:1] or numeric


def _without_text(
    table: pd.DataFrame,
    time: Dates,
    items: tuple[Any, ...],
    others: list[Any],
    notes: list[str],
    where: str,
) -> tuple[tuple[Any, ...], list[Any]]:
    """Names of series, and the other columns without those of text.

    Raises:
        UsageError: columns of text may tell series apart, or may be the timestamps.
    """
    texts = [
        column
        for column in others
        if not decimals.is_numeric(table[column]) and str(column).lower() not in TARGETS
    ]
    if not texts:
        return items, others
    left = [column for column in others if column not in texts]
    repeated = time.times is not None and not time.times.is_unique
    if not items and repeated and len(texts) == 1:
        notes.append(f"the column {texts[0]!r} names the series")
        return (texts[0],), left
    if not items and repeated:
        names = ", ".join(repr(str(text)) for text in texts)
        raise UsageError(
            f"{where} has several rows with the same time, and several columns of text "
            f"({listed(texts)}); pass those that identify a series as "
            f"item=[{names}], and remove the others."
        )
    if time.times is None and time.steps is None:
        value = table[texts[0]].dropna().iloc[0]
        raise UsageError(
            f"{where} has no timestamps, and its column {texts[0]!r} contains text ({value!r}); "
            "pass it as timestamp= with date_format=, or as item=, or remove it."
        )
    notes.append(f"ignored, because they contain text: {listed(texts)}")
    return items, left


def _timestamps(
    table: pd.DataFrame,
    layout: Layout,
    by_name: dict[str, Any],
    items: Sequence[Any],
    where: str,
) -> tuple[Dates, list[Any]]:
    """The timestamps or steps of the rows, and the columns that they come from."""
    import pandas as pd

    index = table.index
    if layout.timestamp is None and isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
        return Dates(times), []
    column: Any = layout.timestamp
    if column is None:
        free = {n: c for n, c in by_name.items() if c not in (*items, layout.target)}
        column = _date_column(table, free)
        if column is None and (parts := calendar_columns.of_parts(table, free)):
            times, used = parts
            return Dates(times, note=f"dates are those of {listed(used)}"), used
        if column is None:
            column = _time_column(table, free)
        if column is None:
            column = row_numbers.date_column(table, free, items)
        if column is None:
            column = _unreadable_time(table, free, layout)
        if column is None and (read := index_dates(index, where, layout)):
            return read, []
        if column is None:
            column = row_numbers.counter(table, free, items)
    if column is None:
        return Dates(None), []
    others = [c for c in table.columns if c not in (column, *items, layout.target, *layout.known)]
    clock = clock_times.column(table, column, others) if dates.holds_days(table[column]) else None
    if clock is None:
        return dates.read(table[column], str(column), where, layout.date_format), [column]
    return _joined(table, column, clock, layout, where), [column, clock]


def index_dates(
    index: pd.Index[Any], where: str, layout: Layout, is_series: bool = False
) -> Dates | None:
    """The timestamps of an index of text or numbers that are dates; None for row numbers, and for
    names in the index of a table.

    Raises:
        InputError: they cannot be read, or may be row numbers.
    """
    import pandas as pd

    if index.dtype == object or str(index.dtype).startswith("str"):
        texts = pd.Series(index)
        if is_series or dates.looks_like_dates(texts):
            return dates.read(texts, "index", where, layout.date_format)
        return None
    if not has_type(index, "iuf") or not len(index) or index[0] == 0:
        return None
    values = index.to_numpy(float)
    if not np.isfinite(values).all() or date_numbers.evident_dates(values) is None:
        return None
    is_small = values.max() < row_numbers.LEAST_UNORDERED
    if str(index.name).lower() not in TIMES and is_small:
        raise InputError(
            f"{where}: its index ({index[0]} to {index[-1]}) may be dates or row numbers; for dates, "
            "name it (`series.index.name = 'date'`); for row numbers, call reset_index(drop=True).",
            where,
        )
    return dates.read(pd.Series(values), "index", where, layout.date_format)


def _joined(table: pd.DataFrame, column: Any, clock: Any, layout: Layout, where: str) -> Dates:
    """Timestamps from a column of days and one of times of the day."""
    import pandas as pd

    offsets = clock_times.offsets(table[clock])
    values, form = table[column], layout.date_format
    day = pd.Timedelta(days=1)
    if not has_type(values, "iufM") and form is None:  # the time may decide between two days
        time_texts = (pd.Timestamp(0) + offsets % day).strftime("%H:%M:%S")
        texts = values.astype("object").where(values.isna(), values.astype(str) + " " + time_texts)
        offsets = offsets // day * day
        values = texts
    read = dates.read(values, str(column), where, form)
    if read.times is None:
        return read
    note = f"timestamps are those of {str(column)!r} and {str(clock)!r}"
    if (offsets == day).any():
        note += ", where 24:00 is the end of the day"
    notes = "; ".join([note, read.note] if read.note else [note])
    return Dates(read.times + offsets, note=notes)


def _date_column(table: pd.DataFrame, by_name: dict[str, Any]) -> Any:
    """A column with the name of one of dates, of dates or text that is not only times of the day."""
    for name in TIMES:
        if name in by_name and not has_type(table[by_name[name]], "iufbc"):
            column = by_name[name]
            if not clock_times.are_times(table[column]):
                return column
    return None


def _time_column(table: pd.DataFrame, by_name: dict[str, Any]) -> Any:
    for name in TIMES:
        column = by_name.get(name)
        if column is None or not holds_numbers(table[column]):
            continue
        values = table[column].dropna()
        ranges = (EXCEL, *UNIX.values())
        if holds_integers(table[column]) or any(values.between(*limits).all() for limits in ranges):
            return column
    for column in by_name.values():  # text that is dates
        if holds_dates(table[column]) or (
            not has_type(table[column], "iufbc") and dates.looks_like_dates(table[column])
        ):
            return column
    return None


def _unreadable_time(table: pd.DataFrame, by_name: dict[str, Any], layout: Layout) -> Any:
    """A column with a usual name of dates that holds fractions, such as 1960.083: it is not a
    series, and cannot be read as dates.
    """
    taken = (*layout.known, *layout.static)
    names = [by_name[name] for name in TIMES if name in by_name and by_name[name] not in taken]
    return next((column for column in names if has_type(table[column], "f")), None)


def factorize(
    table: pd.DataFrame, items: Sequence[Any], layout: Layout, where: str
) -> tuple[NDArray[Any], list[str]]:
    """Codes per row and the names of the series, in order of their first row; values of several
    columns are joined by slashes.

    Raises:
        UsageError: a row has no name.
    """
    import pandas as pd

    for item in items:
        name_columns.check_present(table[item], item, layout, where)
    if len(items) == 1:
        codes, names = pd.factorize(table[items[0]])
        return codes, [str(name) for name in names]
    codes, rows = pd.factorize(pd.MultiIndex.from_frame(table[list(items)]))
    return codes, ["/".join(str(value) for value in row) for row in rows]
