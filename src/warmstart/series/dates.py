"""Columns of timestamps: one format for the whole column, inferred from all of its rows.

Day and month are told apart by a number above 12, then by which reading is evenly spaced, then by
the dot, which follows a day. What can still be read in two ways is an error that shows both.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from warmstart.errors import InputError
from warmstart.series import frequency
from warmstart.series.calendar_columns import CALENDAR, YEARS
from warmstart.series.date_forms import FORMS, ISO, iso

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

EXCEL = (20_000.0, 80_000.0)
"""Serial numbers of Excel from 1954 to 2119."""
UNIX: dict[Literal["s", "ms", "us", "ns"], tuple[float, float]] = {
    "s": (1e8, 2e10),
    "ms": (1e11, 2e13),
    "us": (1e14, 2e16),
    "ns": (1e17, 1e19),
}
"""Unit -> times since 1970, from 1973 on; a range holds no date of another unit."""
COUNTERS = ("ds", "t", "time", "step", "steps", "time_idx", "index", "period")
"""Names of columns that may count steps."""
WORDS = ("excel", "unix", "steps")
"""What a date format may be besides a format of strftime."""


@dataclass(frozen=True)
class Dates:
    """Timestamps, or numbers of steps.

    Attributes:
        times: a timestamp a row, NaT where it is empty; None where steps are counted.
        steps: the number of the step of each row, int64 (N,); None with timestamps.
        note: how the column was read, where that was a decision; else "".
    """

    times: pd.DatetimeIndex | None
    steps: NDArray[np.int64] | None = None
    note: str = ""


def looks_like_dates(column: pd.Series) -> bool:
    """Whether the first values of a column of text are dates."""
    values = [str(value).strip() for value in column.dropna().head(20)]
    return bool(values) and all(
        ISO.fullmatch(value) or any(form.fullmatch(value) for form in FORMS) for value in values
    )


def read(column: pd.Series, name: str, where: str, date_format: str | None = None) -> Dates:
    """The timestamps of a column.

    Args:
        column: of text, numbers or dates.
        name: of the column, for messages.
        where: the table, for messages.
        date_format: a format of strftime such as "%d/%m/%Y", or "excel", "unix" or "steps".

    Raises:
        InputError: a value is not a timestamp, or the column can be read in two ways.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.PeriodDtype):
        return Dates(pd.DatetimeIndex(column.dt.to_timestamp()))
    if column.dtype.kind == "M":
        return Dates(pd.DatetimeIndex(column))
    if column.dtype.kind in "iuf":
        return _Reader(column, name, where, date_format).numbers(column.to_numpy(float))
    sample = column.dropna()
    if len(sample) and not isinstance(sample.iloc[0], str):
        return Dates(_converted(column, name, where))
    return _Reader(column, name, where, date_format).text()


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
                f"{where}: the column {name!r} is not one of dates: {str(error).splitlines()[0]}",
                where,
            ) from error


class _Reader:
    def __init__(self, column: pd.Series, name: str, where: str, date_format: str | None):
        self.column, self.name, self.where, self.date_format = column, name, where, date_format

    def refuse(self, reason: str) -> InputError:
        return InputError(f"{self.where}: the column {self.name!r} {reason}", self.where)

    # Numbers

    def numbers(self, values: NDArray[np.float64]) -> Dates:
        """Years, 20240131, 202401, times since 1970, serial numbers of Excel, or steps."""
        there = values[np.isfinite(values)]
        if not len(there):
            raise self.refuse("is empty; name another one as timestamp=.")
        low, high, is_whole = there.min(), there.max(), bool((there == np.rint(there)).all())
        chosen = self.date_format
        if chosen == "excel":
            return self._excel(values)
        if chosen == "unix":
            return self._unix(values, low, high)
        if chosen == "steps":
            return self._steps(values, is_whole)
        if chosen is not None:
            return self._formatted(chosen)
        lower = str(self.name).lower()
        if is_whole and YEARS[0] <= low and high <= YEARS[1]:
            return self._joined(values, np.ones_like(values), np.ones_like(values), "years")
        if is_whole and YEARS[0] * 10_000 <= low and high < (YEARS[1] + 1) * 10_000:
            return self._joined(values // 10_000, values // 100 % 100, values % 100, "20240131")
        if is_whole and YEARS[0] * 100 <= low and high < (YEARS[1] + 1) * 100:
            return self._joined(values // 100, values % 100, np.ones_like(values), "202401")
        if EXCEL[0] <= low and high <= EXCEL[1]:
            if is_whole and lower in COUNTERS:
                day = self._excel(there[:1]).times
                assert day is not None
                raise self.refuse(
                    f"may hold serial numbers of Excel ({there[0]:.0f} is {day[0].date()}) or numbers "
                    "of steps; say which as date_format='excel' or 'steps'."
                )
            return self._excel(values)
        if any(first <= low and high < last for first, last in UNIX.values()):
            return self._unix(values, low, high)
        if is_whole and (lower in COUNTERS or lower not in CALENDAR):
            return self._steps(values, is_whole)
        raise self.refuse(
            "holds plain numbers, not timestamps; turn them into dates with pandas.to_datetime "
            "(which takes a unit), or name another column as timestamp=."
        )

    def _excel(self, values: NDArray[np.float64]) -> Dates:
        import pandas as pd

        seconds = np.rint(values * 86_400)
        times = pd.Timestamp("1899-12-30") + pd.to_timedelta(seconds, unit="s")
        note = f"dates in {self.name!r} are serial numbers of Excel"
        return Dates(pd.DatetimeIndex(times), note=note)

    def _unix(self, values: NDArray[np.float64], low: float, high: float) -> Dates:
        import pandas as pd

        units = [unit for unit, (first, last) in UNIX.items() if first <= low and high < last]
        if not units:
            raise self.refuse("does not hold times since 1970 in s, ms, us or ns.")
        times = pd.Timestamp("1970-01-01") + pd.to_timedelta(values, unit=units[0])
        note = f"dates in {self.name!r} are times since 1970 in {units[0]}"
        return Dates(pd.DatetimeIndex(times), note=note)

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
                f"holds numbers such as {form}, but {self.column.iloc[row]} in row {row + 1} is not "
                "such a date; say how to read it as date_format=."
            )
        note = f"dates in {self.name!r} are {'years' if form == 'years' else f'such as {form}'}"
        return Dates(pd.DatetimeIndex(times), note="" if form == "years" else note)

    # Text

    def _formatted(self, form: str) -> Dates:
        import pandas as pd

        text = self.column
        if text.dtype.kind in "iuf":
            text = text.astype("Int64").astype("string")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            times = pd.to_datetime(text, format=form, errors="coerce", utc="%z" in form)
        bad = times.isna() & self.column.notna()
        if bad.any():
            row = int(np.flatnonzero(bad.to_numpy())[0])
            value = self.column.iloc[row]
            raise self.refuse(f"has {value!r} in row {row + 1}, which is not of the form {form!r}.")
        return Dates(pd.DatetimeIndex(times))

    def text(self) -> Dates:
        import pandas as pd

        column = self.column
        if self.date_format is not None and self.date_format not in WORDS:
            return self._formatted(self.date_format)
        codes, names = pd.factorize(column)
        texts = [str(name).strip() for name in names]
        if texts and all(re.fullmatch(r"\d+(?:\.\d+)?", text) for text in texts):
            return self.numbers(pd.to_numeric(column).to_numpy(float))
        if self.date_format is not None:
            raise self.refuse(f"holds text; {self.date_format!r} is for columns of numbers.")
        times, note = self._parsed(texts)
        # -1 marks an empty cell: the last timestamp is NaT.
        rows: Any = times.append(pd.DatetimeIndex([pd.NaT], tz=times.tz))[codes]
        return Dates(pd.DatetimeIndex(rows), note=note)

    def _parsed(self, texts: list[str]) -> tuple[pd.DatetimeIndex, str]:
        """Timestamps of distinct texts, and how they were read."""
        import pandas as pd

        if not texts:
            raise self.refuse("is empty; name another one as timestamp=.")
        if all(ISO.fullmatch(text) for text in texts):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for utc in (False, True):
                    try:
                        return pd.DatetimeIndex(
                            pd.to_datetime(texts, format="ISO8601", utc=utc)
                        ), ""
                    except (ValueError, TypeError):
                        continue
        form = next((form for form in FORMS if form.fullmatch(texts[0])), None)
        matches = [form.fullmatch(text) if form else None for text in texts]
        parts: list[dict[str, str | None]] = []
        for text, match in zip(texts, matches, strict=True):
            if match is None:
                raise self._unreadable(text, texts[0])
            parts.append(match.groupdict())
        note = ""
        if "first" in parts[0]:
            parts, note = self._ordered(parts, texts)
        return self._assembled(parts, texts), note

    def _unreadable(self, text: str, first: str) -> InputError:
        rows = self.column.astype(str).str.strip() == text
        row = int(np.argmax(rows.to_numpy())) + 1
        other = f", and {first!r} is of another form" if text != first else ""
        return InputError(
            f"{self.where}: {text!r} in row {row} of the column {self.name!r} is not a timestamp"
            f"{other}; write dates as 2024-01-31, say how they are written as date_format= (such as "
            "'%d/%m/%Y'), or name another column as timestamp=.",
            self.where,
        )

    def _ordered(
        self, parts: list[dict[str, str | None]], texts: list[str]
    ) -> tuple[list[dict[str, str | None]], str]:
        """Numbers as day and month, in the one order that all rows allow.

        Raises:
            InputError: rows disagree, or both orders are possible.
        """
        first = np.array([int(part["first"] or 0) for part in parts])
        second = np.array([int(part["second_number"] or 0) for part in parts])
        day_first, month_first = bool((first > 12).any()), bool((second > 12).any())
        if day_first and month_first:
            raise self.refuse(
                f"mixes days and months: {texts[int(np.argmax(first > 12))]!r} has the day first, "
                f"{texts[int(np.argmax(second > 12))]!r} the month; write dates as 2024-01-31."
            )
        readings = {
            order: [{**part, "day": part[day], "month": part[month]} for part in parts]
            for order, day, month in (
                ("day", "first", "second_number"),
                ("month", "second_number", "first"),
            )
        }
        if not day_first and not month_first:
            regular = {
                order: frequency.infer(self._assembled(reading, texts).unique().sort_values())
                for order, reading in readings.items()
            }
            fits = [order for order, freq in regular.items() if freq is not None]
            if len(fits) != 1 and parts[0]["sep"] == ".":
                fits = ["day"]
            if len(fits) != 1:
                raise self._ambiguous(texts, readings, regular)
            day_first = fits == ["day"]
        order = "day" if day_first else "month"
        example = next(
            (text for text, a, b in zip(texts, first, second, strict=True) if a != b), texts[0]
        )
        index = texts.index(example)
        date = self._assembled(readings[order][index : index + 1], [example])[0]
        note = f"dates in {self.name!r} have the {order} first: {example} is {date:%Y-%m-%d}"
        return readings[order], note

    def _ambiguous(
        self, texts: list[str], readings: dict[str, Any], regular: dict[str, str | None]
    ) -> InputError:
        index = next(
            (i for i, part in enumerate(readings["day"]) if part["day"] != part["month"]), 0
        )
        shown = []
        for order, sign in (("day", "%d/%m/%Y"), ("month", "%m/%d/%Y")):
            date = self._assembled(readings[order][index : index + 1], [texts[index]])[0]
            sign = sign.replace("/", readings[order][index]["sep"])
            if len(readings[order][index]["year"]) == 2:
                sign = sign.replace("%Y", "%y")
            every = f", a series of {regular[order]}" if regular[order] else ""
            shown.append(f"{date:%Y-%m-%d} ({order} first{every}; date_format={sign!r})")
        return self.refuse(
            f"can be read in two ways: {texts[index]!r} is {shown[0]} or {shown[1]}. Name the format, "
            "or write dates as 2024-01-31."
        )

    def _assembled(self, parts: list[dict[str, str | None]], texts: list[str]) -> pd.DatetimeIndex:
        """Timestamps from the groups of `FORMS`."""
        import pandas as pd

        written = []
        for part, text in zip(parts, texts, strict=True):
            try:
                written.append(iso(part))
            except ValueError as error:
                raise self._unreadable(text, text) from error
        times = pd.to_datetime(written, format="ISO8601", errors="coerce", utc=True)
        if times.hasnans:
            text = texts[int(np.argmax(times.isna()))]
            raise self._unreadable(text, text)
        if not any(part.get("zone") for part in parts):
            return pd.DatetimeIndex(times.tz_localize(None))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return pd.DatetimeIndex(pd.to_datetime(written, format="ISO8601"))
            except (ValueError, TypeError):
                return pd.DatetimeIndex(times)
