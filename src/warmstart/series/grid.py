"""Rows of one series -> values on a regular grid: order, repeated timestamps, frequency, gaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart import counts
from warmstart.errors import InputError, documented_in
from warmstart.series import frequency
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

Arrays: TypeAlias = "dict[str, NDArray[Any]]"
"""The columns of one series: the target as "", covariates by name."""

PUT_BACK = (3, 4, 9, 10, 11)
"""Months in which clocks are set back, in either hemisphere."""
JITTER = 0.1
"""Maximum distance of a timestamp from its step, as a share of a step."""
UNEVEN = 0.2
"""Logarithm of the ratio of a distance to the median one, more than for any two months."""
MINUTES = (1, 2, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720, 1440)
ROUND_STEPS = (1, 5, 10, 15, 20, 30, *(60 * minutes for minutes in MINUTES))
"""Seconds between timestamps that clocks write down a little late or early."""


class Grid(NamedTuple):
    """The steps of timestamps on a regular grid.

    Attributes:
        freq: pandas alias.
        start: timestamp of the first step.
        steps: the step of each timestamp, from 0 up.
        shift: how much later the data's own timestamps are than those of the grid: 14 days if a
            monthly series has the 15th of each month.
        note: a sentence on how the timestamps were changed; else "".
    """

    freq: str
    start: pd.Timestamp
    steps: NDArray[Any]
    shift: pd.Timedelta | None = None
    note: str = ""


_grids: dict[tuple[Any, ...], Grid] = {}
"""A cache: many series of one table have the same timestamps, and inferring their frequency is slow.
"""


@documented_in("forecasting.md#timestamps")
def dated(
    name: str, times: pd.DatetimeIndex, arrays: Arrays, layout: Layout
) -> tuple[Arrays, Grid]:
    """Sort, merge duplicates, infer the frequency, and put the values on its grid.

    Raises:
        InputError: timestamps are missing, repeated, not evenly spaced, or too far from today.
    """
    if not len(times):
        raise InputError(f"{name}: it has no rows.", name)
    if times.hasnans:
        count = int(np.isnat(times.to_numpy()).sum())
        first = int(np.argmax(np.isnat(times.to_numpy()))) + 1
        rows = f"row {first} has" if count == 1 else f"{count:,} rows have"
        which = "" if count == 1 else f" (the first is row {first})"
        raise InputError(
            f"{name}: {rows} no timestamp{which}; fill it in, or leave the row out.", name
        )
    try:
        times.as_unit("ns")
    except ValueError:  # of pandas
        reason = f"has timestamps from {times.min()} to {times.max()}; 1678 to 2261 are possible"
        raise InputError(f"{name}: {reason}.", name) from None
    times, arrays = _ordered(name, times, arrays, layout.duplicates)
    grid = _grid(name, times, layout)
    return _on_grid(arrays, grid.steps), grid


@documented_in("forecasting.md#timestamps")
def counted(
    name: str, steps: NDArray[np.int64], arrays: Arrays, layout: Layout
) -> tuple[Arrays, int]:
    """Like `regular`, for steps that are numbered by a column of integers; also returns the number
    of the first step.
    """
    import pandas as pd

    index, arrays = _ordered(name, pd.Index(steps), arrays, layout.duplicates)
    offsets = index.to_numpy() - index[0]
    size = int(np.gcd.reduce(offsets[1:])) if len(offsets) > 1 else 1
    if int(offsets[-1]) // size >= frequency.MAX_STEPS:
        raise InputError(f"{name}: it has {int(offsets[-1]) // size:,} steps, too many.", name)
    return _on_grid(arrays, offsets // size), int(index[0])


def _on_grid(arrays: Arrays, steps: NDArray[Any]) -> Arrays:
    count = int(steps[-1]) + 1
    if len(steps) == count:
        return arrays
    gridded = {}
    for key, values in arrays.items():
        gridded[key] = np.full(count, np.nan)
        gridded[key][steps] = values
    return gridded


def _ordered(name: str, times: Any, arrays: Arrays, rule: str) -> tuple[Any, Arrays]:
    """Rows in the order of their timestamps or steps, without duplicates."""
    if not times.is_monotonic_increasing:
        order = np.argsort(times.to_numpy(), kind="stable")
        times, arrays = times[order], {key: values[order] for key, values in arrays.items()}
    return (times, arrays) if times.is_unique else _merged(name, times, arrays, rule)


def _merged(name: str, times: Any, arrays: Arrays, rule: str) -> tuple[Any, Arrays]:
    import pandas as pd

    duplicates = times[np.asarray(times.duplicated())]
    if rule == "error":
        rows = f"{len(duplicates):,} row{'s' if len(duplicates) > 1 else ''}"
        raise InputError(
            f"{name}: it has {rows} with a repeated timestamp (the first is "
            f"{duplicates[0]}); pass the column with the names of the series as item=, or "
            "merge the rows with duplicates='first', 'last', 'sum' or "
            f"'mean'.{_clocks(duplicates)}",
            name,
        )
    table = pd.DataFrame(arrays, index=times)
    options = {"min_count": 1} if rule == "sum" else {}
    table = getattr(table.groupby(level=0), rule)(**options)
    return table.index, {key: table[key].to_numpy(float) for key in arrays}


def _clocks(duplicates: Any) -> str:
    """An explanation with advice if timestamps are repeated in nights when clocks are set back."""
    days = getattr(duplicates, "day_of_week", None)
    if days is None or duplicates.tz is not None:
        return ""
    if not ((days == 6) & duplicates.month.isin(PUT_BACK) & (duplicates.hour <= 3)).all():
        return ""
    return (
        " This may be the end of daylight saving time: with UTC offsets, such as "
        "2024-10-27T02:00+01:00, the hours are distinct."
    )


def _grid(name: str, times: pd.DatetimeIndex, layout: Layout) -> Grid:
    """The grid of sorted, distinct timestamps."""
    key = (times.asi8.tobytes(), str(times.dtype), layout.freq, layout.expected)
    if (known := _grids.get(key)) is not None:
        return known
    grid = _regular_grid(name, times, layout)
    if len(_grids) >= 64:
        _grids.clear()
    _grids[key] = grid
    return grid


def _regular_grid(name: str, times: pd.DatetimeIndex, layout: Layout) -> Grid:
    error: InputError | None = None
    for moved, shift, note in _variants(times):
        freq = (
            layout.freq
            or (moved.freqstr if moved.freq is not None else None)
            or frequency.infer(moved)
        )
        expected = layout.expected
        if freq is None and expected and (len(times) < 3 or _fits(expected, moved)):
            freq = expected
        if freq is None:
            continue
        freq = frequency.normal(freq)
        if shift is not None and frequency.unit_of(freq)[0] not in frequency.CALENDAR_UNITS:
            continue
        try:
            steps = frequency.steps_of(freq, moved, name)
        except InputError as problem:
            error = error or problem
            continue
        return Grid(freq, moved[0], steps, shift, note)
    if error is not None:
        raise error
    if len(times) < 3:
        raise InputError(
            f"{name}: it has {counts.counted(len(times), 'timestamp')}, too few to infer "
            "its frequency; pass freq=.",
            name,
        )
    nearest = frequency.nearest(times)
    raise InputError(
        f"{name}: its timestamps ({_uneven(times)}) are not evenly spaced; resample it "
        f"(`series.resample({nearest!r}).sum()` or `.mean()`), or pass freq=.",
        name,
    )


def _uneven(times: pd.DatetimeIndex) -> str:
    """The timestamps around the first unusual distance of two neighbours."""
    gaps = np.diff(times.as_unit("ns").asi8).astype(float)
    ratios = np.abs(np.log(gaps / np.median(gaps)))
    uneven = int(np.argmax(ratios >= min(UNEVEN, float(ratios.max()))))
    first = max(min(uneven - 1, len(times) - 3), 0)
    shown = ", ".join(map(str, times[first : first + 3]))
    return f"{'…, ' if first else ''}{shown}{', …' if first + 3 < len(times) else ''}"


def _variants(
    times: pd.DatetimeIndex,
) -> Iterator[tuple[pd.DatetimeIndex, pd.Timedelta | None, str]]:
    """(timestamps, shift, note): timestamps of one day of the month are moved to the first, those of
    an inexact clock to their steps; others are unchanged.
    """
    import pandas as pd

    yield times, None, ""
    if len(times) < 2:
        return
    if len(set(times.day)) == 1 and len(set(times.time)) == 1:
        shift = pd.Timedelta(days=int(times.day[0]) - 1)
        yield times - shift, shift, f"each step is day {times.day[0]} of a month"
    rounded = _rounded(times)
    if rounded is not None:
        yield rounded, None, "timestamps are rounded to even steps"


def _rounded(times: pd.DatetimeIndex) -> pd.DatetimeIndex | None:
    """Timestamps of a clock that is a little late or early, on even steps; None if they are not."""
    import pandas as pd

    seconds = times.as_unit("ns").asi8 / 1e9
    gap = float(np.median(np.diff(seconds)))
    step = min(ROUND_STEPS, key=lambda size: abs(np.log(size / max(gap, 1e-9))))
    if abs(gap - step) > JITTER * step or (step == 86400 and times.tz is not None):
        return None
    first = round(seconds[0] / step) * step
    if abs(first - seconds[0]) > JITTER * step:
        first = round(seconds[0])
    steps = np.rint((seconds - first) / step)
    exact = first + steps * step
    if np.abs(exact - seconds).max() > JITTER * step or len(np.unique(steps)) < len(steps):
        return None
    rounded = pd.to_datetime(exact.astype(np.int64), unit="s")
    if times.tz is not None:
        rounded = rounded.tz_localize("UTC").tz_convert(times.tz)
    return pd.DatetimeIndex(rounded)


def _fits(freq: str, times: pd.DatetimeIndex) -> bool:
    """Whether the timestamps are on this grid and more than a quarter of its steps have one: days
    are on the grid of hours, but fill too little of it.
    """
    try:
        steps = frequency.steps_of(freq, times, "")
    except InputError:
        return False
    return bool(steps[0] == 0 and len(times) * 4 > steps[-1] + 1)


def finished(name: str, arrays: Arrays) -> tuple[NDArray[np.float64], Arrays, Sequence[str]]:
    """(target, covariates, notes): empty steps after the last observation are the future. A note
    says so if most steps are missing, as with a wrong frequency.

    Raises:
        InputError: there is no observed value, or a covariate is missing.
    """
    target = arrays.pop("")
    if np.isinf(target).any():
        raise InputError(
            f"{name}: it contains infinity, or a number too large for float64; replace it with NaN (missing).",
            name,
        )
    observed = np.flatnonzero(np.isfinite(target))
    if not len(observed):
        raise InputError(f"{name}: it has no observed value; remove it, or add at least one.", name)
    for key, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(
                f"{name}: the covariate {key!r} is missing at step {int(np.argmin(np.isfinite(values)))}; "
                "covariates must be known at every step.",
                name,
            )
    size = int(observed[-1]) + 1
    empty = len(target) - size
    verb = "is" if empty == 1 else "are"
    note = f"{counts.counted(empty, 'empty step')} at the end {verb} the future"
    notes = [note] if empty and not arrays else []
    if (missing := size - len(observed)) > size / 2:
        notes.append(f"{missing:,} of {size:,} steps have no value")
    return target[:size], arrays, notes
