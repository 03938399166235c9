"""Frequencies of series: inferring and checking them, with their lags, seasons and calendar features.

A frequency is a pandas alias (`"h"`, `"30min"`, `"D"`, `"B"`, `"W-TUE"`, `"MS"`, `"QE-DEC"`,
`"5s"`). Two frequencies have the same unit if the unit of time and its multiple agree: `"W-SUN"`
and `"W-MON"` have, `"h"` and `"30min"` have not. Lags, calendar features and seasons of a unit are
those of GluonTS (`gluonts.time_feature`), so that networks and metrics are comparable.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    import pandas as pd

UNITS = {
    "Second": "second",
    "Minute": "minute",
    "Hour": "hour",
    "Day": "day",
    "BusinessDay": "business day",
    "Week": "week",
    "MonthBegin": "month",
    "MonthEnd": "month",
    "BusinessMonthBegin": "month",
    "BusinessMonthEnd": "month",
    "QuarterBegin": "quarter",
    "QuarterEnd": "quarter",
    "YearBegin": "year",
    "YearEnd": "year",
}
OLD = {
    "H": "h",
    "T": "min",
    "S": "s",
    "M": "ME",
    "Q": "QE",
    "A": "YE",
    "Y": "YE",
    "AS": "YS",
    "BM": "BME",
}
SEASONS = {
    "second": 3600,
    "minute": 1440,
    "hour": 24,
    "day": 1,
    "business day": 5,
    "week": 1,
    "month": 12,
    "quarter": 4,
    "year": 1,
}
ALL_SEASONS = {
    "second": (60, 3600, 86_400, 604_800),
    "minute": (60, 1440, 10_080),
    "hour": (24, 168),
    "day": (7, 365),
    "business day": (5, 260),
    "week": (52,),
    "month": (12,),
    "quarter": (4,),
    "year": (),
}
"""Every season of a unit: minute, hour, day, week and year."""
FEATURES = {
    "second": ("second", "minute", "hour", "weekday", "day", "day of year"),
    "minute": ("minute", "hour", "weekday", "day", "day of year"),
    "hour": ("hour", "weekday", "day", "day of year"),
    "day": ("weekday", "day", "day of year"),
    "business day": ("weekday", "day", "day of year"),
    "week": ("day", "week"),
    "month": ("month",),
    "quarter": ("month",),
    "year": (),
}
FIXED = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
}  # in seconds, whatever the clocks do; a day is a calendar's
CALENDAR_UNITS = frozenset({"month", "quarter", "year"})
"""Units of different lengths in days."""
SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "business day": 86_400,
    "week": 604_800,
    "month": 2_629_800,
    "quarter": 7_889_400,
    "year": 31_557_600,
}
"""The length of a unit, on average."""
LARGEST_LAG = 1200
MAX_STEPS = 50_000_000


def normal(freq: str) -> str:
    """The alias in the current spelling of pandas; old spellings (`"H"`, `"M"`) are accepted, too.

    Raises:
        UsageError: pandas does not know it, or it is none of seconds to years.
    """
    return _offset(freq)[0]


def unit_of(freq: str) -> tuple[str, int]:
    """(unit, multiple): `("week", 1)` of `"W-TUE"`, `("minute", 30)` of `"30min"`."""
    return _offset(freq)[1]


def seconds(freq: str) -> int:
    """The length of a step, on average."""
    unit, multiple = unit_of(freq)
    return SECONDS[unit] * multiple


def nearest(times: pd.DatetimeIndex) -> str:
    """The alias of the unit that is closest to the median distance of neighbouring timestamps."""
    aliases = {"s": 1, "min": 60, "h": 3600, "D": 86_400, "W": 604_800}
    aliases |= {"MS": 2_629_800, "QS": 7_889_400, "YS": 31_557_600}
    gap = float(np.median(np.diff(times.as_unit("ns").asi8))) / 1e9
    return min(aliases, key=lambda alias: abs(np.log(aliases[alias] / max(gap, 1e-9))))


@lru_cache(maxsize=256)
def _offset(freq: str) -> tuple[str, tuple[str, int], Any]:
    from pandas.tseries.frequencies import to_offset

    text = str(freq).strip()
    number = text.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")
    name, _, anchor = text[len(number) :].partition("-")
    new = OLD.get(name, name)
    try:
        offset = to_offset(f"{number}{new}" + (f"-{anchor}" if anchor else ""))
    except ValueError:
        offset = None
    unit = UNITS.get(type(offset).__name__)
    if offset is None or unit is None or offset.n < 1:
        raise UsageError(
            f"There is no frequency {freq!r}; pass a pandas alias such as 's', 'min', "
            "'30min', 'h', 'D', 'B', 'W-MON', 'MS', 'ME', 'QS', 'YE'."
        )
    return offset.freqstr, (unit, int(offset.n)), offset


def season(freq: str) -> int:
    """Steps of one season: 24 of hourly data, 12 of monthly; 1 where the multiple does not divide
    it.
    """
    unit, multiple = unit_of(freq)
    steps, rest = divmod(SEASONS[unit], multiple)
    return 1 if rest else steps


def seasons(freq: str) -> list[int]:
    """Every season of the frequency in steps, the shortest first: 24 and 168 of hourly data."""
    unit, multiple = unit_of(freq)
    return [
        steps // multiple
        for steps in ALL_SEASONS[unit]
        if not steps % multiple and steps > multiple
    ]


def lags(freq: str) -> list[int]:
    """The lags that DeepAR sees at this frequency: 1 to 7, and those around one to a few seasons
    ago.
    """
    unit, n = unit_of(freq)

    def around(period: float, cycles: int, width: int) -> list[int]:
        middles = [int(k * period // n_scaled) for k in range(1, cycles + 1)]
        return [lag for middle in middles for lag in range(middle - width, middle + width + 1)]

    chosen: list[int] = []
    seconds = FIXED.get(unit, 86400) * n
    n_scaled: float = seconds
    if unit == "second":
        chosen += around(60, 3, 2)  # minutes, as in GluonTS
    if unit in ("second", "minute"):
        n_scaled = seconds / 60
        chosen += around(60, 3, 2)
    if unit in FIXED:
        n_scaled = seconds / 3600
        chosen += around(24, 7, 1)
    if unit in ("minute", "hour", "day", "business day"):
        week, month = (5, 22) if unit == "business day" else (7, 30)
        n_scaled = n if unit == "business day" else seconds / 86400
        chosen += around(week, 4, 1) + around(month, 1, 1)
        n_scaled /= week
        chosen += _weekly(n_scaled)
    if unit == "week":
        chosen += _weekly(n)
    if unit in ("month", "quarter"):
        n_scaled = n * (3 if unit == "quarter" else 1)
        chosen += around(12, 3, 1)
    return list(range(1, 8)) + sorted({lag for lag in chosen if 7 < lag <= LARGEST_LAG})


def _weekly(n: float) -> list[int]:
    middles = [int(k * 52 // n) for k in (1, 2, 3)]
    return [m + d for m in middles for d in (-1, 0, 1)] + [int(k // n) for k in (4, 8, 12)]


def feature_names(freq: str) -> tuple[str, ...]:
    """The names of the calendar features at this frequency."""
    return FEATURES[unit_of(freq)[0]]


@lru_cache(maxsize=32)
def calendar(freq: str, start: pd.Timestamp, steps: int) -> np.ndarray:
    """Calendar features, each scaled to -0.5..0.5, in local time: float32 (steps,
    len(feature_names(freq))).
    """
    index = dates(freq, start, steps)
    scaled: dict[str, Any] = {
        "second": lambda: index.second / 59,
        "minute": lambda: index.minute / 59,
        "hour": lambda: index.hour / 23,
        "weekday": lambda: index.day_of_week / 6,
        "day": lambda: (index.day - 1) / 30,
        "day of year": lambda: (index.day_of_year - 1) / 365,
        "month": lambda: (index.month - 1) / 11,
        "week": lambda: (index.isocalendar().week.to_numpy(float) - 1) / 52,
    }
    table = np.empty((steps, len(feature_names(freq))), np.float32)
    for column, name in enumerate(feature_names(freq)):
        table[:, column] = np.asarray(scaled[name]()) - 0.5
    table.flags.writeable = False
    return table


@lru_cache(maxsize=32)
def dates(freq: str, start: pd.Timestamp, steps: int) -> pd.DatetimeIndex:
    """The timestamps of `steps` steps from `start` on."""
    import pandas as pd

    try:
        return pd.date_range(start, periods=steps, freq=_offset(freq)[2])
    except (OverflowError, pd.errors.OutOfBoundsDatetime) as error:
        raise InputError(
            f"{steps:,} steps of {freq} from {start} on exceed the dates that pandas supports."
        ) from error


def steps_of(freq: str, times: pd.DatetimeIndex, item: str) -> np.ndarray:
    """The steps of sorted timestamps on the grid that starts at the first: int64, from 0 up.

    Raises:
        InputError: one is not on the grid, or the grid would be absurdly long; names the series.
    """
    unit, multiple = unit_of(freq)
    first, last = times[0], times[-1]
    steps: np.ndarray
    advice = (
        f"resample it (`series.resample({freq!r}).sum()` or `.mean()`), or pass its "
        "frequency as freq="
    )
    if unit in FIXED or (unit == "day" and times.tz is None):
        step = FIXED.get(unit, 86400) * multiple
        nanoseconds = times.as_unit("ns").asi8
        steps, rest = np.divmod(nanoseconds - nanoseconds[0], step * 1_000_000_000)
        off = rest != 0
    else:
        grid = _grid(freq, first, last)
        steps = np.asarray(grid.get_indexer(times))
        off = steps < 0
    if off.any():
        raise InputError(
            f"{item}: {times[int(np.argmax(off))]} is not a step of {freq} from {first} on "
            f"({int(off.sum()):,} of {len(times):,} timestamps are not); {advice}.",
            item,
        )
    if int(steps[-1]) >= MAX_STEPS:
        raise InputError(
            f"{item}: from {first} to {last} are {int(steps[-1]):,} steps of {freq}; {advice}.",
            item,
        )
    return steps


@lru_cache(maxsize=32)
def _grid(freq: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    import pandas as pd

    return pd.date_range(first, last, freq=_offset(freq)[2])


def infer(times: pd.DatetimeIndex) -> str | None:
    """The frequency of sorted, distinct timestamps, also where some are missing; None if there
    is none.

    It needs three timestamps, and more than half of the steps of the grid must have one.
    """
    if len(times) < 3:
        return None
    for freq in _candidates(times):
        try:
            steps = steps_of(freq, times, "")
        except (InputError, UsageError):
            continue
        if steps[0] == 0 and len(times) > (steps[-1] + 1) / 2:
            return normal(freq)
    return None


def _candidates(times: pd.DatetimeIndex) -> list[str]:
    """Frequencies to try, most likely first, from the most frequent distance of neighbours."""
    naive = times.tz_localize(None)
    gaps = (
        np.diff((times.tz_convert("UTC") if times.tz is not None else times).as_unit("ns").asi8)
        // 1_000_000_000
    )
    values, counts = np.unique(gaps, return_counts=True)
    common = int(values[counts.argmax()])
    if common < 1:
        return []
    days = common / 86400
    wall = np.diff(naive.normalize().as_unit("ns").asi8) // 86_400_000_000_000
    month = naive[0].strftime("%b").upper()
    weekday = naive[0].strftime("%a").upper()
    candidates: list[str] = []
    if (naive.normalize() == naive).all() or len(set(naive.time)) == 1:
        months = round(days / 30.4375)
        if abs(days - months * 30.4375) <= 3 and months in (2, 4, 6, *range(24, 1200, 12)):
            candidates.append(f"{months}MS" if months < 12 else f"{months // 12}YS-{month}")
        if 364 <= days <= 367:
            candidates += [f"YS-{month}", f"YE-{month}"]
        if 89 <= days <= 93:
            candidates += [f"QS-{month}", f"QE-{month}"]
        if 27 <= days <= 32:
            candidates += ["MS", "ME", "BMS", "BME"]
        if round(days) % 7 == 0 and days >= 6.9:
            candidates.append(f"{round(days) // 7}W-{weekday}")
        if round(days) == 1 and not (naive.day_of_week >= 5).any() and (wall == 3).any():
            candidates.append("B")
        if days >= 0.9:
            candidates.append(f"{max(round(days), 1)}D")
    if common % 3600 == 0:
        candidates.append(f"{common // 3600}h")
    candidates.append(f"{common // 60}min" if common % 60 == 0 else f"{common}s")
    return candidates
