"""Time series: DataFrames, Series, arrays, CSV and Parquet files -> `TimeSeries`, one at a time.

How a table is read:

| layout | looks like | gives |
|---|---|---|
| long | a column of names (`item_id`), one of timestamps, `target`, maybe covariates | a series per name |
| wide | timestamps as index or as a column, numbers in the others | a series per column |
| no timestamps | numbers only, or a column that counts steps | a series per column; steps are numbers |

Rows may come in any order. A step without a row, and NaN, is missing. Two rows of one series at one
time are an error unless `duplicates` says what to do. Timestamps keep their time zone: steps of up
to hours are those of absolute time, longer ones those of the zone's calendar.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import IOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart.core import table_inputs
from warmstart.core.inputs import type_text
from warmstart.core.records.columns import check_unique
from warmstart.errors import InputError, UsageError, require
from warmstart.series import (
    arrow_tables,
    decimals,
    frequency,
    grid,
    json_series,
    mappings,
    name_columns,
    row_series,
    table_files,
    tables,
)
from warmstart.series.grid import Arrays
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

ORIGIN = "2000-01-01"  # the internal start of a series without timestamps


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """One series on a regular grid.

    Attributes:
        name: of the series.
        target: float64 (T,); NaN where nothing was observed.
        start: timestamp of the first step.
        freq: pandas alias of the grid.
        known: covariates known in advance, by name: float64 (T + F,), F steps into the future.
        static: categories of the whole series, by name.
        dated: whether there are timestamps; without them steps are numbers.
        first: the number of the first step of a series without timestamps.
        shift: what the data's timestamps are later than those of the grid; see `grid.Grid`.
        notes: how it was read, where that was a decision.
        columns: of the table, by role; see `Layout.remembered`.
    """

    name: str
    target: NDArray[np.float64]
    start: pd.Timestamp
    freq: str
    known: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    static: Mapping[str, str] = field(default_factory=dict)
    dated: bool = True
    first: int = 0
    shift: pd.Timedelta | None = None
    notes: tuple[str, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.target)

    def index(self, first: int, steps: int) -> pd.DatetimeIndex | pd.RangeIndex:
        """Timestamps of `steps` steps from the index `first` on, which may lie behind the end;
        numbers of steps where the series has no timestamps.
        """
        import pandas as pd

        if not self.dated:
            return pd.RangeIndex(self.first + first, self.first + first + steps)
        dates: pd.DatetimeIndex = frequency.dates(self.freq, self.start, first + steps)[first:]
        return dates if self.shift is None else dates + self.shift

    def head(self, steps: int) -> TimeSeries:
        """The first steps only; covariates stay as they are, known into the future."""
        return replace(self, target=self.target[:steps])


NamedSeries: TypeAlias = "tuple[str, TimeSeries | InputError]"
"""The name of a series and the series, or the error that says what is wrong with it."""


def is_series(value: Any) -> bool:
    """Whether this is one series: a `TimeSeries`, a column of pandas, polars or pyarrow, a 1-d
    array, or a list or tuple of numbers, of which some may be None.
    """
    if isinstance(value, TimeSeries):
        return True
    if getattr(value, "ndim", None) == 1 or table_inputs.is_column(value):
        return not _has_levels(value)
    return (
        isinstance(value, list | tuple)
        and any(number is not None for number in value)
        and all(number is None or isinstance(number, int | float | np.number) for number in value)
    )


def _has_levels(value: Any) -> bool:
    """Whether this is a pandas Series with an index such as (item, timestamp)."""
    return bool(getattr(getattr(value, "index", None), "nlevels", 1) > 1)


def is_table(value: Any) -> bool:
    """Whether this may hold several series: a table of pandas, polars or pyarrow, a pandas Series
    with an index of (item, timestamp), a file or its path, or a mapping from names to series.
    """
    is_source = isinstance(value, str | os.PathLike | Mapping | IOBase)
    return is_source or _has_levels(value) or table_inputs.is_table(value)


def name_of(value: Any, number: int) -> str:
    """The series' own name, else "series 3"."""
    name = getattr(value, "name", None)
    return f"series {number}" if name is None or name == "" else str(name)


def iter_series(data: Any, layout: Layout | None = None) -> Iterator[NamedSeries]:
    """All series of some data, one at a time.

    Args:
        data: a series (see `is_series`), a table (see `is_table`), an array (N, T), or a list or
            iterator of series and tables.
        layout: how to read tables.

    Raises:
        UsageError: it is none of these, or the layout names columns that are not there.
        InputError: a file cannot be read.
    """
    require("pandas", extra="series", purpose="to read time series")
    layout = layout or Layout()
    if is_series(data):
        yield _read_or_error(name_of(data, 1), data, layout)
    elif is_table(data):
        yield from iter_table(data, layout)
    elif isinstance(data, Iterable) and not isinstance(data, bytes):
        for number, value in enumerate(data, 1):
            if is_table(value):
                yield from iter_table(value, layout)
            else:
                yield _read_or_error(name_of(value, number), value, layout)
    else:
        raise UsageError(refusal(data))


def refusal(value: Any) -> str:
    """The message that refuses an object, and names the valid forms of series."""
    return (
        f"Cannot take series from {type_text(value)}; pass a Series or DataFrame of pandas or polars, an "
        "array, a CSV or Parquet file, or a list of these."
    )


def iter_table(
    data: Any, layout: Layout, *, where: str = "", prefix: str = ""
) -> Iterator[NamedSeries]:
    """The series of a table (see `is_table`); errors are those of `iter_series`.

    Args:
        data: the table.
        layout: how to read it.
        where: its name in messages; default: the name of its file, without folders.
        prefix: of the names of its series.
    """
    if isinstance(data, Mapping):
        mappings.check(data)
        for name, value in data.items():
            yield _read_or_error(str(name), value, layout)
    elif isinstance(data, str | os.PathLike | IOBase):
        table = table_files.read(data, layout)
        if isinstance(table, list):
            for name, record in table:
                yield _record_or_error(name, record, layout, prefix)
        else:
            file = Path(table_files.name_of(data)).name
            yield from _frame_series(table, layout, where or file, prefix)
    else:
        data = arrow_tables.to_pandas(data)
        if data.ndim == 1:
            data = data.to_frame("target" if data.name is None else data.name)
        yield from _frame_series(data, layout, where or "the table", prefix)


def read_series(name: str, value: Any, layout: Layout) -> TimeSeries:
    """One series (see `is_series`) under a name; a `TimeSeries` is itself.

    Raises:
        InputError: it is none, or unusable.
    """
    import pandas as pd

    if isinstance(value, TimeSeries):
        return value
    value = arrow_tables.to_pandas(value)
    if isinstance(value, pd.Series):
        index: Any = value.index
        index = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
        if isinstance(index, pd.DatetimeIndex):
            return _series(name, {"": _numbers(value, name, layout)}, layout, index)
        column = tables.index_dates(index, name, layout, is_series=True)
        if column is not None:
            arrays = {"": _numbers(value, name, layout)}
            notes = (column.note,) if column.note else ()
            return _series(name, arrays, layout, column.times, column.steps, notes)
    elif not isinstance(value, list | tuple) and not hasattr(value, "ndim"):
        raise InputError(f"{name}: {refusal(value)}", name)
    target = np.asarray(value)
    if target.ndim != 1:
        message = f"{name}: a series must have one dimension, not the shape {target.shape}."
        raise InputError(message, name)
    return _series(name, {"": _numbers(target, name, layout)}, layout)


def _read_or_error(name: str, value: Any, layout: Layout) -> NamedSeries:
    try:
        series = read_series(name, value, layout)
        return series.name, series
    except InputError as error:
        return name, error


def _record_or_error(line: str, record: Any, layout: Layout, prefix: str) -> NamedSeries:
    """The series in a line of a file, or its error; the line is the name of one without its own."""
    try:
        name, series = json_series.series_of(record, line, layout)
    except InputError as error:
        return line, error
    return _read_or_error(name if name == line else prefix + name, series, layout)


def _frame_series(
    table: pd.DataFrame, layout: Layout, where: str, prefix: str
) -> Iterator[NamedSeries]:
    """The series of a DataFrame; see `iter_table`."""
    table = tables.flat(table)
    check_unique(table.columns, where)
    table = row_series.long_form(table, layout, where)
    layout = layout.for_columns(list(table.columns))
    columns = tables.columns(table, layout, where)
    if not columns.items:
        for target in columns.targets:
            name = prefix + str(target)
            numbers = decimals.TableNumbers(table, target, name, layout)
            yield _rows_series(name, table, numbers, slice(None), columns, layout)
        return
    (target,) = columns.targets
    codes, names = tables.factorize(table, columns.items, layout, where)
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    numbers = decimals.TableNumbers(table, target, prefix + str(target), layout)
    # One column at a time: rows of a DataFrame are slow to take.
    static = {key: table[key].to_numpy() for key in layout.static}
    for code, name in enumerate(names):
        rows = order[ends[code] : ends[code + 1]]
        yield _rows_series(prefix + name, static, numbers, rows, columns, layout)


def _rows_series(
    name: str,
    static: Any,
    numbers: decimals.TableNumbers,
    rows: Any,
    columns: tables.Columns,
    layout: Layout,
) -> NamedSeries:
    """The series of some rows of a table, or the error that says what is wrong with it."""
    try:
        arrays = numbers.rows(rows, name)
        times = None if columns.times is None else columns.times[rows]
        steps = None if columns.steps is None else columns.steps[rows]
        series = _series(name, arrays, layout, times, steps, (*columns.notes, *numbers.notes))
        categories = {
            key: name_columns.constant(static[key][rows], key, name) for key in layout.static
        }
        return name, replace(series, static=categories, columns=columns.by_role)
    except InputError as error:
        return name, error


def _numbers(values: Any, name: str, layout: Layout) -> NDArray[np.float64]:
    return decimals.numbers(np.asarray(values), name, layout.decimal).rows(slice(None), name)


def _series(
    name: str,
    arrays: Arrays,
    layout: Layout,
    times: pd.DatetimeIndex | None = None,
    steps: NDArray[np.int64] | None = None,
    notes: tuple[str, ...] = (),
) -> TimeSeries:
    """A series of rows with timestamps, with numbers of steps, or in their order.

    Raises:
        InputError: the rows are not a series.
    """
    import pandas as pd

    if times is not None:
        arrays, placed = grid.dated(name, times, arrays, layout)
        target, known, more = grid.finished(name, arrays)
        more = [placed.note, *more] if placed.note else more
        start, freq = placed.start, placed.freq
        all_notes = (*notes, *more)
        return TimeSeries(name, target, start, freq, known, shift=placed.shift, notes=all_notes)
    freq_or_none = layout.freq or layout.undated or layout.expected
    if freq_or_none is None:
        raise InputError(
            f"{name}: it has no timestamps, so its frequency is unknown; pass freq=, such as "
            "'h' or 'D'.",
            name,
        )
    first = 0
    if steps is not None:
        arrays, first = grid.counted(name, steps, arrays, layout)
    target, known, more = grid.finished(name, arrays)
    if steps is None:
        more = ["the series has no timestamps; its steps are numbers", *more]
    return TimeSeries(
        name,
        target,
        pd.Timestamp(ORIGIN),
        freq_or_none,
        known,
        dated=False,
        first=first,
        notes=(*notes, *more),
    )
