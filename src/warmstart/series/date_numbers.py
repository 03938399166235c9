"""Columns of numbers as timestamps: years, 20240131, times since 1970, serial numbers of Excel; or
as numbers of steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from warmstart.errors import InputError
from warmstart.series.calendar_columns import CALENDAR, YEARS
from warmstart.series.date_column import DateColumn, Dates
from warmstart.series.date_texts import formatted

if TYPE_CHECKING:
    import pandas as pd

EXCEL = (20_000.0, 80_000.0)
"""Serial numbers of Excel from 1954 to 2119."""
UNIX: dict[Literal["s", "ms", "us", "ns"], tuple[float, float]] = {
    "s": (1e8, 2e10),
    "ms": (1e11, 2e13),
    "us": (1e14, 2e16),
    "ns": (1e17, 1e19),
}
"""Unit -> times since 1970, from 1973 on; a range holds no date of another unit."""
COUNTERS = ("t", "time", "ds", "step", "steps", "time_idx", "index", "period")
"""Names of columns that may count steps."""


def unix_times(values: NDArray[np.float64]) -> pd.DatetimeIndex:
    """Timestamps of times since 1970, all of one unit of `UNIX`."""
    import pandas as pd

    low, high = np.nanmin(values), np.nanmax(values)
    unit = next(unit for unit, (first, last) in UNIX.items() if first <= low and high < last)
    whole = np.rint(values) if unit == "ns" else values
    return pd.DatetimeIndex(pd.Timestamp("1970-01-01") + pd.to_timedelta(whole, unit=unit))


def evident_dates(values: NDArray[np.float64]) -> pd.DatetimeIndex | None:
    """Timestamps of numbers that are almost certainly dates; None for serial numbers of Excel, for
    numbers of steps and for other numbers.
    """
    import pandas as pd

    low, high = values.min(), values.max()
    if EXCEL[0] <= low and high <= EXCEL[1]:
        return None
    try:
        return NumberReader(DateColumn(pd.Series(values), "", "")).read(values).times
    except InputError:
        return None


class NumberReader:
    """Reads one column."""

    def __init__(self, column: DateColumn):
        self.column, self.name, self.refuse = column, column.name, column.refuse

    def read(self, values: NDArray[np.float64]) -> Dates:
        """Years, 20240131, 202401, times since 1970, serial numbers of Excel, or steps."""
        present = values[np.isfinite(values)]
        if not len(present):
            raise self.refuse("is empty; pass another one as timestamp=.")
        low, high = present.min(), present.max()
        is_whole = bool((present == np.rint(present)).all())
        chosen = self.column.date_format
        if chosen == "excel":
            return self._excel(values)
        if chosen == "unix":
            return self._unix(values, low, high)
        if chosen == "steps":
            return self._steps(values, is_whole)
        if chosen is not None:
            return formatted(self.column, chosen)
        lower = str(self.name).lower()
        if is_whole and YEARS[0] <= low and high <= YEARS[1]:
            return self._joined(values, np.ones_like(values), np.ones_like(values), "years")
        if is_whole and YEARS[0] * 10_000 <= low and high < (YEARS[1] + 1) * 10_000:
            return self._joined(values // 10_000, values // 100 % 100, values % 100, "20240131")
        if is_whole and YEARS[0] * 100 <= low and high < (YEARS[1] + 1) * 100:
            return self._joined(values // 100, values % 100, np.ones_like(values), "202401")
        if EXCEL[0] <= low and high <= EXCEL[1]:
            if is_whole and lower in COUNTERS:
                day = self._excel(present[:1]).times
                assert day is not None
                raise self.refuse(
                    f"may contain Excel serial numbers ({present[0]:.0f} is {day[0].date()}) "
                    "or step numbers; pass date_format='excel' or 'steps'."
                )
            return self._excel(values)
        if any(first <= low and high < last for first, last in UNIX.values()):
            return self._unix(values, low, high)
        if is_whole and (lower in COUNTERS or lower not in CALENDAR):
            return self._steps(values, is_whole)
        raise self.refuse(
            "contains plain numbers, not timestamps; turn them into dates with "
            "pandas.to_datetime (which takes a unit), or pass another column as timestamp=."
        )

    def _excel(self, values: NDArray[np.float64]) -> Dates:
        import pandas as pd

        seconds = np.rint(values * 86_400)
        times = pd.Timestamp("1899-12-30") + pd.to_timedelta(seconds, unit="s")
        note = f"dates in {self.name!r} are Excel serial numbers"
        return Dates(pd.DatetimeIndex(times), note=note)

    def _unix(self, values: NDArray[np.float64], low: float, high: float) -> Dates:
        units = [unit for unit, (first, last) in UNIX.items() if first <= low and high < last]
        if not units:
            raise self.refuse("does not hold times since 1970 in s, ms, us or ns.")
        try:
            times = unix_times(values)
        except (ValueError, OverflowError):
            raise self.refuse(f"has times since 1970 in {units[0]} that are after 2261.") from None
        note = f"dates in {self.name!r} are times since 1970 in {units[0]}"
        return Dates(times, note=note)

    def _steps(self, values: NDArray[np.float64], is_whole: bool) -> Dates:
        if not is_whole or not np.isfinite(values).all() or np.abs(values).max() > 2**53:
            raise self.refuse("does not count steps: those are integers, one in every row.")
        note = f"{self.name!r} counts steps; the series has no dates"
        return Dates(None, values.astype(np.int64), note)

    def _joined(self, year: Any, month: Any, day: Any, form: str) -> Dates:
        import pandas as pd

        parts = {"year": year, "month": month, "day": day}
        times = pd.to_datetime(pd.DataFrame(parts), errors="coerce")
        wrong = np.isfinite(year) & times.isna().to_numpy()
        if wrong.any():
            row = int(np.argmax(wrong))
            raise self.refuse(
                f"contains numbers such as {form}, but {self.column.values.iloc[row]} in row "
                f"{row + 1} is not such a date; pass the format as date_format=."
            )
        note = f"dates in {self.name!r} are {'years' if form == 'years' else f'such as {form}'}"
        return Dates(pd.DatetimeIndex(times), note="" if form == "years" else note)
