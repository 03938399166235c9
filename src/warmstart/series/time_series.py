"""Time series: DataFrames, Series, arrays, CSV and Parquet files -> `TimeSeries`, one at a time.

How a table is read:

| layout | looks like | gives |
|---|---|---|
| long | a column of names (`item_id`), one of timestamps, `target`, maybe covariates | a series per name |
| wide | timestamps as index or as a column, numbers in the others | a series per column |
| no timestamps | numbers only | a series per column, counted from `ORIGIN` at the model's frequency |

Rows may come in any order. A step without a row, and NaN, is a missing value. Two rows of one
series at one time are an error unless `duplicates` says what to do. Timestamps with a time zone
keep it: steps of seconds to hours are those of absolute time, days and longer ones those of the
zone's calendar.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from warmstart.errors import InputError, UsageError, require
from warmstart.series import frequency, tables
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

ORIGIN = "2000-01-01"


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
        dated: whether the timestamps are the data's own, not counted from `ORIGIN`.
    """

    name: str
    target: NDArray[np.float64]
    start: pd.Timestamp
    freq: str
    known: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    static: Mapping[str, str] = field(default_factory=dict)
    dated: bool = True

    def __len__(self) -> int:
        return len(self.target)

    def index(self, first: int, steps: int) -> pd.DatetimeIndex:
        """Timestamps of `steps` steps from the index `first` on, which may lie behind the end."""
        dates: pd.DatetimeIndex = frequency.dates(self.freq, self.start, first + steps)[first:]
        return dates

    def head(self, steps: int) -> TimeSeries:
        """The first steps only; covariates stay as they are, known into the future."""
        return replace(self, target=self.target[:steps])


NamedSeries: TypeAlias = "tuple[str, TimeSeries | InputError]"
"""The name of a series and the series, or the error that says what is wrong with it."""
Arrays: TypeAlias = "dict[str, NDArray[Any]]"
"""The columns of one series: the target as "", covariates by name."""

_grids: dict[tuple[Any, ...], tuple[str, NDArray[Any]]] = {}
"""Many series of one table have the same timestamps; most of the time would go into inferring their
frequency.
"""


def is_series(value: Any) -> bool:
    """Whether this is one series: a `TimeSeries`, a pandas Series, a 1-d array, or a list or tuple
    of numbers.
    """
    if isinstance(value, TimeSeries) or getattr(value, "ndim", None) == 1:
        return True
    return (
        isinstance(value, list | tuple)
        and bool(value)
        and all(isinstance(number, int | float | np.number) for number in value)
    )


def is_table(value: Any) -> bool:
    """Whether this may hold several series: a DataFrame, the path of a table, or a mapping from
    names to series.
    """
    if isinstance(value, str | os.PathLike | Mapping):
        return True
    return any(base.__name__ == "DataFrame" for base in type(value).__mro__)


def name_of(value: Any, number: int) -> str:
    """The series' own name, else "series 3"."""
    name = getattr(value, "name", None)
    return str(name) if name is not None else f"series {number}"


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
    """What series may be given as, in place of this."""
    what = "None" if value is None else f"an object of type {type(value).__name__}"
    return (
        f"Cannot take series from {what}; give a pandas Series or DataFrame, an array, a CSV or Parquet file, "
        "or a list of these."
    )


def iter_table(data: Any, layout: Layout) -> Iterator[NamedSeries]:
    """The series of a table (see `is_table`); errors are those of `iter_series`."""
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield _read_or_error(str(name), value, layout)
    elif isinstance(data, str | os.PathLike):
        yield from _frame_series(tables.read(os.fspath(data)), layout, Path(data).name)
    else:
        yield from _frame_series(data, layout, "the table")


def read_series(name: str, value: Any, layout: Layout) -> TimeSeries:
    """One series (see `is_series`) under a name; a `TimeSeries` is itself.

    Raises:
        InputError: it is none, or unusable.
    """
    import pandas as pd

    if isinstance(value, TimeSeries):
        return value
    if isinstance(value, pd.Series):
        index: Any = value.index
        if isinstance(index, pd.PeriodIndex):
            index = index.to_timestamp()
        if isinstance(index, pd.DatetimeIndex):
            return _dated(name, index, {"": tables.numbers(value.to_numpy(), name)}, layout)
        if index.dtype == object or str(index.dtype).startswith("str"):
            raise InputError(
                f"{name}: its index is text; turn it into timestamps with pandas.to_datetime.", name
            )
    elif not isinstance(value, list | tuple) and not hasattr(value, "ndim"):
        raise InputError(f"{name}: {refusal(value)}", name)
    target = np.asarray(value)
    if target.ndim != 1:
        raise InputError(
            f"{name}: a series has one dimension, this has the shape {target.shape}.", name
        )
    return _undated(name, {"": tables.numbers(target, name)}, layout)


def _read_or_error(name: str, value: Any, layout: Layout) -> NamedSeries:
    try:
        series = read_series(name, value, layout)
        return series.name, series
    except InputError as error:
        return name, error


def _frame_series(table: pd.DataFrame, layout: Layout, where: str) -> Iterator[NamedSeries]:
    """The series of a DataFrame; `where` it comes from, for messages."""
    columns = tables.columns(table, layout, where)
    times = columns.times
    if columns.item is None:
        for target in columns.targets:
            try:
                arrays = {"": tables.numbers(table[target].to_numpy(), target)}
                arrays |= {
                    name: tables.numbers(table[name].to_numpy(), target) for name in layout.known
                }
                if times is None:
                    yield str(target), _undated(str(target), arrays, layout)
                else:
                    yield str(target), _dated(str(target), times, arrays, layout)
            except InputError as error:
                yield str(target), error
        return
    (target,) = columns.targets
    codes, names = tables.factorize(table[columns.item])
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(len(names) + 1))
    values = table[target].to_numpy()
    known = {k: table[k].to_numpy() for k in layout.known}
    static = {k: table[k].to_numpy() for k in layout.static}
    for code, item in enumerate(names):
        rows = order[ends[code] : ends[code + 1]]
        name = str(item)
        try:
            arrays = {"": tables.numbers(values[rows], name)}
            arrays |= {k: tables.numbers(v[rows], name) for k, v in known.items()}
            series = (
                _undated(name, arrays, layout)
                if times is None
                else _dated(name, times[rows], arrays, layout)
            )
            yield (
                name,
                replace(series, static={k: _constant(v[rows], k, name) for k, v in static.items()}),
            )
        except InputError as error:
            yield name, error


def _constant(values: NDArray[Any], column: str, name: str) -> str:
    distinct = {str(value) for value in values}
    if len(distinct) > 1:
        raise InputError(
            f"{name}: the static column {column!r} has {len(distinct)} values in this series; it must be "
            "the same in all its rows.",
            name,
        )
    return distinct.pop()


def _undated(name: str, arrays: Arrays, layout: Layout) -> TimeSeries:
    import pandas as pd

    freq = layout.freq or layout.expected
    if freq is None:
        raise InputError(
            f"{name}: it has no timestamps, so its frequency is unknown; give freq=, such as 'h' or 'D'.",
            name,
        )
    return _finished(name, arrays, pd.Timestamp(ORIGIN), freq, dated=False)


def _dated(name: str, times: pd.DatetimeIndex, arrays: Arrays, layout: Layout) -> TimeSeries:
    """Sort, merge duplicates, infer the frequency, and put the values on its grid."""
    if not len(times):
        raise InputError(f"{name}: it has no rows.", name)
    if times.hasnans:
        count = int(np.isnat(times.to_numpy()).sum())
        raise InputError(f"{name}: {count:,} rows have no timestamp; drop or fill them.", name)
    if not times.is_monotonic_increasing:
        order = np.argsort(times.asi8, kind="stable")
        times, arrays = times[order], {key: values[order] for key, values in arrays.items()}
    if not times.is_unique:
        times, arrays = _merged(name, times, arrays, layout.duplicates)
    freq, steps = _grid(name, times, layout)
    start = times[0]
    count = int(steps[-1]) + 1
    if len(steps) < count:
        gridded = {}
        for key, values in arrays.items():
            gridded[key] = np.full(count, np.nan)
            gridded[key][steps] = values
        arrays = gridded
    return _finished(name, arrays, start, freq, dated=True)


def _grid(name: str, times: pd.DatetimeIndex, layout: Layout) -> tuple[str, NDArray[Any]]:
    """The frequency of sorted, distinct timestamps, and the step of each."""
    key = (times.asi8.tobytes(), str(times.dtype), layout.freq, layout.expected)
    if (known := _grids.get(key)) is not None:
        return known
    freq = (
        layout.freq or (times.freqstr if times.freq is not None else None) or frequency.infer(times)
    )
    if (
        freq is None
        and layout.expected is not None
        and (len(times) < 3 or _fits(layout.expected, times))
    ):
        freq = layout.expected
    if freq is None and len(times) < 3:
        raise InputError(
            f"{name}: {len(times)} timestamps are too few to find its frequency; give freq=.", name
        )
    if freq is None:
        raise InputError(
            f"{name}: its timestamps ({times[0]}, {times[1]}, {times[2]}, …) are not evenly spaced; "
            "resample it (`series.resample('D').sum()` or `.mean()`), or give freq=.",
            name,
        )
    freq = frequency.normal(freq)
    steps = frequency.places(freq, times, name)
    if len(_grids) >= 64:
        _grids.clear()
    _grids[key] = freq, steps
    return freq, steps


def _fits(freq: str, times: pd.DatetimeIndex) -> bool:
    """Whether the timestamps lie on this grid and more than a quarter of it is there: days fit
    hours, but are none.
    """
    try:
        steps = frequency.places(freq, times, "")
    except InputError:
        return False
    return bool(steps[0] == 0 and len(times) * 4 > steps[-1] + 1)


def _merged(
    name: str, times: pd.DatetimeIndex, arrays: Arrays, rule: str
) -> tuple[pd.DatetimeIndex, Arrays]:
    import pandas as pd

    duplicates = times[np.asarray(times.duplicated())]
    if rule == "error":
        raise InputError(
            f"{name}: it has {len(duplicates):,} rows with a repeated timestamp (the first is "
            f"{duplicates[0]}); "
            "name the column that tells the series apart as item=, or say what to do with them as "
            "duplicates='first', 'last', 'sum' or 'mean'.",
            name,
        )
    table = pd.DataFrame(arrays, index=times)
    options = {"min_count": 1} if rule == "sum" else {}
    table = getattr(table.groupby(level=0), rule)(**options)
    return pd.DatetimeIndex(table.index), {key: table[key].to_numpy(float) for key in arrays}


def _finished(
    name: str, arrays: Arrays, start: pd.Timestamp, freq: str, *, dated: bool
) -> TimeSeries:
    """Steps behind the last observation that have covariates are the future, not missing values."""
    target = arrays.pop("")
    if np.isinf(target).any():
        raise InputError(
            f"{name}: it holds infinity; replace it with NaN (missing) or a number.", name
        )
    if not np.isfinite(target).any():
        raise InputError(
            f"{name}: it has no observed value; leave it out or give at least one.", name
        )
    for key, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(
                f"{name}: the covariate {key!r} is missing at step {int(np.argmin(np.isfinite(values)))}; "
                "covariates must be known at every step.",
                name,
            )
    if arrays:
        target = target[: int(np.flatnonzero(np.isfinite(target))[-1]) + 1]
    return TimeSeries(name, target, start, freq, arrays, {}, dated)
