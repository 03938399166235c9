"""Time series: DataFrames, Series, arrays, CSV and Parquet files -> `TimeSeries`, one at a time.

How a table is read:

| layout | looks like | gives |
|---|---|---|
| long | a column of names (`item_id`), one of timestamps, `target`, maybe covariates | a series per name |
| wide | timestamps as index or as a column, numbers in the others | a series per column |
| no timestamps | numbers only | a series per column, counted from `ORIGIN` at the model's frequency |

Rows may come in any order. A step without a row, and NaN, is a missing value. Two rows of one series at one time are
an error unless `duplicates` says what to do. Timestamps with a time zone keep it: steps of seconds to hours are those
of absolute time, days and longer ones those of the zone's calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.series import frequency, tables
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

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
    target: np.ndarray
    start: pd.Timestamp
    freq: str
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    static: Mapping[str, str] = field(default_factory=dict)
    dated: bool = True

    def __len__(self) -> int:
        return len(self.target)

    def index(self, first: int, steps: int) -> pd.DatetimeIndex:
        """Timestamps of `steps` steps from place `first` on (which may lie behind the end)."""
        return frequency.dates(self.freq, self.start, first + steps)[first:]

    def head(self, steps: int) -> TimeSeries:
        """The first steps only; covariates stay as they are, known into the future."""
        return replace(self, target=self.target[:steps])


Read = tuple[str, "TimeSeries | InputError"]
_grids: dict[tuple, tuple[str, np.ndarray]] = {}
"""Many series of one table have the same timestamps; finding their frequency anew would take most of the time."""


def is_single(data: Any) -> bool:
    """Whether the caller means one series, and wants one result: a pandas Series, a `TimeSeries`, an array (T,)
    or a list of numbers."""
    if isinstance(data, TimeSeries) or type(data).__name__ == "Series":
        return True
    if isinstance(data, np.ndarray):
        return data.ndim == 1 and data.dtype != object
    return isinstance(data, list | tuple) and bool(data) and all(isinstance(x, int | float | np.number) for x in data)


def is_lazy(data: Any) -> bool:
    """Whether the caller gave an iterator, and wants one of results."""
    return isinstance(data, Iterator)


def iter_series(data: Any, layout: Layout | None = None) -> Iterator[Read]:
    """(name, series or the error that says what is wrong with it), one at a time.

    Args:
        data: a pandas Series or DataFrame, an array (T,) or (N, T), a path of a CSV or Parquet file, a mapping from
            names to one of the one-dimensional ones, a list or an iterator of any of them.
        layout: how to read tables.

    Raises:
        UsageError: it is none of these, or names columns that are not there.
        InputError: a file cannot be read.
    """
    layout = layout or Layout()
    if isinstance(data, TimeSeries) or type(data).__name__ == "Series" or is_single(data):
        yield _one("", data, layout, 1)
    elif isinstance(data, str | Path):
        yield from _table(tables.read(data), layout, Path(data).name)
    elif type(data).__name__ == "DataFrame":
        yield from _table(data, layout, "the table")
    elif isinstance(data, np.ndarray) and data.ndim == 2:
        for place, row in enumerate(data, 1):
            yield _one(f"series {place}", row, layout, place)
    elif isinstance(data, Mapping):
        for place, (name, value) in enumerate(data.items(), 1):
            yield _one(str(name), value, layout, place)
    elif isinstance(data, Iterable) and not isinstance(data, bytes):
        for place, value in enumerate(data, 1):
            if is_single(value) or not (isinstance(value, str | Path) or type(value).__name__ == "DataFrame"):
                yield _one("", value, layout, place)
            else:
                yield from iter_series(value, layout)
    else:
        raise UsageError(f"Cannot take series from an object of type {type(data).__name__}; give a pandas Series or "
                         "DataFrame, an array, a CSV or Parquet file, or a list of these.")


def _one(name: str, value: Any, layout: Layout, place: int) -> Read:
    """A series from a one-dimensional object; an unusable one is its error."""
    import pandas as pd

    if isinstance(value, TimeSeries):
        return value.name, value
    own = getattr(value, "name", None)
    name = name or (str(own) if own is not None else f"series {place}")
    try:
        if isinstance(value, pd.Series):
            index = value.index
            if isinstance(index, pd.PeriodIndex):
                index = index.to_timestamp()
            if isinstance(index, pd.DatetimeIndex):
                return name, _dated(name, index, {"": tables.numbers(value.to_numpy(), name)}, layout)
            if index.dtype == object or str(index.dtype).startswith("str"):
                raise InputError(f"{name}: its index is text; turn it into timestamps with pandas.to_datetime.", name)
        target = np.asarray(value)
        if target.ndim != 1:
            raise InputError(f"{name}: a series has one dimension, this has the shape {target.shape}.", name)
        return name, _undated(name, {"": tables.numbers(target, name)}, layout)
    except InputError as error:
        return name, error


def _table(table: pd.DataFrame, layout: Layout, where: str) -> Iterator[Read]:
    columns = tables.columns(table, layout, where)
    times = columns.times
    if columns.item is None:
        for target in columns.targets:
            try:
                arrays = {"": tables.numbers(table[target].to_numpy(), target)}
                arrays |= {name: tables.numbers(table[name].to_numpy(), target) for name in layout.known}
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
        rows = order[ends[code]:ends[code + 1]]
        name = str(item)
        try:
            arrays = {"": tables.numbers(values[rows], name)}
            arrays |= {k: tables.numbers(v[rows], name) for k, v in known.items()}
            made = _undated(name, arrays, layout) if times is None else _dated(name, times[rows], arrays, layout)
            yield name, replace(made, static={k: _constant(v[rows], k, name) for k, v in static.items()})
        except InputError as error:
            yield name, error


def _constant(values: np.ndarray, column: str, name: str) -> str:
    found = {str(value) for value in values}
    if len(found) > 1:
        raise InputError(f"{name}: the static column {column!r} has {len(found)} values in this series; it must be "
                         "the same in all its rows.", name)
    return found.pop()


def _undated(name: str, arrays: dict[str, np.ndarray], layout: Layout) -> TimeSeries:
    import pandas as pd

    freq = layout.freq or layout.expected
    if freq is None:
        raise InputError(f"{name}: it has no timestamps, so its frequency is unknown; give freq=, such as 'h' or 'D'.",
                         name)
    return _finished(name, arrays, pd.Timestamp(ORIGIN), freq, dated=False)


def _dated(name: str, times: pd.DatetimeIndex, arrays: dict[str, np.ndarray], layout: Layout) -> TimeSeries:
    """Sort, look for duplicates, find the frequency, and put the values on its grid."""
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
    freq, places = _grid(name, times, layout)
    start = times[0]
    if len(places) < int(places[-1]) + 1:
        gridded = {}
        for key, values in arrays.items():
            gridded[key] = np.full(int(places[-1]) + 1, np.nan)
            gridded[key][places] = values
        arrays = gridded
    return _finished(name, arrays, start, freq, dated=True)


def _grid(name: str, times: pd.DatetimeIndex, layout: Layout) -> tuple[str, np.ndarray]:
    """The frequency of sorted, distinct timestamps and their places; that of the series before, where they agree."""
    key = (times.asi8.tobytes(), str(times.dtype), layout.freq, layout.expected)
    if key in _grids:
        return _grids[key]
    freq = layout.freq or (times.freqstr if times.freq is not None else None) or frequency.infer(times)
    if freq is None and layout.expected is not None and (len(times) < 3 or _fits(layout.expected, times)):
        freq = layout.expected
    if freq is None and len(times) < 3:
        raise InputError(f"{name}: {len(times)} timestamps are too few to find its frequency; give freq=.", name)
    if freq is None:
        raise InputError(f"{name}: its timestamps ({times[0]}, {times[1]}, {times[2]}, …) have no regular distance; "
                         "resample it (`series.resample('D').sum()` or `.mean()`), or give freq=.", name)
    freq = frequency.normal(freq)
    places = frequency.places(freq, times, name)
    if len(_grids) >= 64:
        _grids.clear()
    _grids[key] = freq, places
    return freq, places


def _fits(freq: str, times: pd.DatetimeIndex) -> bool:
    """Whether the timestamps lie on this grid and more than a quarter of it is there: days fit hours, but are none."""
    try:
        found = frequency.places(freq, times, "")
    except InputError:
        return False
    return bool(found[0] == 0 and len(times) * 4 > found[-1] + 1)


def _merged(name: str, times: pd.DatetimeIndex, arrays: dict[str, np.ndarray],
            rule: str) -> tuple[pd.DatetimeIndex, dict[str, np.ndarray]]:
    import pandas as pd

    again = times[np.asarray(times.duplicated())]
    if rule == "error":
        raise InputError(f"{name}: it has {len(again):,} rows at a time that it has already (the first is {again[0]}); "
                         "name the column that tells the series apart as item=, or say what to do with them as "
                         "duplicates='first', 'last', 'sum' or 'mean'.", name)
    table = pd.DataFrame(arrays, index=times)
    options = {"min_count": 1} if rule == "sum" else {}
    table = getattr(table.groupby(level=0), rule)(**options)
    return pd.DatetimeIndex(table.index), {key: table[key].to_numpy(float) for key in arrays}


def _finished(name: str, arrays: dict[str, np.ndarray], start: pd.Timestamp, freq: str, *, dated: bool) -> TimeSeries:
    """Steps behind the last observation that have covariates are the future, not missing values."""
    target = arrays.pop("")
    if np.isinf(target).any():
        raise InputError(f"{name}: it holds infinity; replace it with NaN (missing) or a number.", name)
    if not np.isfinite(target).any():
        raise InputError(f"{name}: it has no observed value; leave it out or give at least one.", name)
    for key, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(f"{name}: the covariate {key!r} is missing at step {int(np.argmin(np.isfinite(values)))}; "
                             "covariates must be known at every step.", name)
    if arrays:
        target = target[:int(np.flatnonzero(np.isfinite(target))[-1]) + 1]
    return TimeSeries(name, target, start, freq, arrays, {}, dated)
