"""Columns of text as timestamps: one format for the whole column, inferred from all of its rows.

Day and month are distinguished by a number above 12, then by even spacing, then by a dot, which
follows a day. A column that can still be read in two ways is an error that shows both readings.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError
from warmstart.series import frequency
from warmstart.series.column_types import holds_numbers
from warmstart.series.date_column import DateColumn, Dates
from warmstart.series.date_forms import FORMS, ISO, OFFSET, iso

if TYPE_CHECKING:
    import pandas as pd


def formatted(column: DateColumn, form: str) -> Dates:
    import pandas as pd

    text = column.values
    if holds_numbers(text):
        text = text.astype("Int64").astype("string")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = pd.to_datetime(text, format=form, errors="coerce", utc="%z" in form)
    bad = times.isna() & column.values.notna()
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        value = column.values.iloc[row]
        raise column.refuse(f"has {value!r} in row {row + 1}, which is not in the format {form!r}.")
    return Dates(pd.DatetimeIndex(times))


class TextReader:
    """Reads one column."""

    def __init__(self, column: DateColumn):
        self.column, self.name, self.refuse = column, column.name, column.refuse

    def read(self) -> Dates:
        """The timestamps of the rows."""
        import pandas as pd

        codes, names = pd.factorize(self.column.values)
        times, note = self._parsed([str(name).strip() for name in names])
        # -1 marks an empty cell: the last timestamp is NaT.
        rows: Any = times.append(pd.DatetimeIndex([pd.NaT], tz=times.tz))[codes]
        return Dates(pd.DatetimeIndex(rows), note=note)

    def _parsed(self, texts: list[str]) -> tuple[pd.DatetimeIndex, str]:
        """Timestamps of distinct texts, and how they were read."""

        if not texts:
            raise self.refuse("is empty; pass another one as timestamp=.")
        if all(ISO.fullmatch(text) for text in texts) and (result := self._iso(texts)):
            return result
        form = next((form for form in FORMS if form.fullmatch(texts[0])), None)
        matches = [form.fullmatch(text) if form else None for text in texts]
        parts: list[dict[str, str | None]] = []
        for text, match in zip(texts, matches, strict=True):
            if match is None:
                raise self.column.unreadable(text, texts[0])
            parts.append(match.groupdict())
        note = ""
        if "first" in parts[0]:
            parts, note = self._ordered(parts, texts)
        elif parts[0].get("name") and not parts[0].get("day") and len(parts[0]["year"] or "") == 2:
            self._check_years(parts, texts)
        return self._assembled(parts, texts), note

    def _iso(self, texts: list[str]) -> tuple[pd.DatetimeIndex, str] | None:
        """Timestamps in ISO 8601; None if one is not. Those of several offsets are in UTC, or,
        where only these are evenly spaced, in local time.
        """
        import pandas as pd

        def parsed(texts: list[str], utc: bool) -> pd.DatetimeIndex | None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    return pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601", utc=utc))
                except (ValueError, TypeError):
                    return None

        times = parsed(texts, False)
        if times is not None:
            return times, ""
        times = parsed(texts, True)
        if times is None:
            return None
        ends = [OFFSET.search(text) for text in texts]
        if not all(ends):
            without = next(text for text, end in zip(texts, ends, strict=True) if not end)
            zoned = next(text for text, end in zip(texts, ends, strict=True) if end)
            raise self.refuse(
                f"mixes timestamps with an offset from UTC ({zoned!r}) and without "
                f"({without!r}); use one form for all."
            )
        if frequency.infer(times.unique().sort_values()) is None:
            local = parsed([OFFSET.sub("", text) for text in texts], False)
            if local is not None and frequency.infer(local.unique().sort_values()) is not None:
                return local, f"offsets from UTC vary in {self.name!r}: local times are used"
        return times, f"offsets from UTC vary in {self.name!r}: times are in UTC"

    def _check_years(self, parts: list[dict[str, str | None]], texts: list[str]) -> None:
        """Refuse `Jan-24` where the number may be a day: where only days, or days as well as years,
        are evenly spaced, and where it comes first and never changes.
        """
        try:
            as_days = [{**part, "day": part["year"], "year": "2000"} for part in parts]
            days = frequency.infer(self._assembled(as_days, texts).unique().sort_values())
        except InputError:
            return
        years = frequency.infer(self._assembled(parts, texts).unique().sort_values())
        is_first = texts[0][0].isdigit()
        is_same = len({part["year"] for part in parts}) == 1
        if (years is not None or not is_first) and days is None and not (is_first and is_same):
            return
        number, month = parts[0]["year"], (parts[0]["name"] or "").capitalize()
        form = "%y-%b" if is_first else "%b-%y"
        raise self.refuse(
            f"can be read in two ways: {texts[0]!r} is {month} 20{number} "
            f"(date_format={form!r}) or {number} {month} of an unknown year. Write dates as "
            "2024-01-31."
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
        if not day_first and not month_first and (first != second).any():
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
        if (first == second).all():
            return readings["day"], ""
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
            f"can be read in two ways: {texts[index]!r} is {shown[0]} or {shown[1]}. Pass "
            "the format, or write dates as 2024-01-31."
        )

    def _assembled(self, parts: list[dict[str, str | None]], texts: list[str]) -> pd.DatetimeIndex:
        """Timestamps from the groups of `FORMS`."""
        import pandas as pd

        written = []
        for part, text in zip(parts, texts, strict=True):
            try:
                written.append(iso(part))
            except ValueError as error:
                raise self.column.unreadable(text, text) from error
        times = pd.to_datetime(written, format="ISO8601", errors="coerce", utc=True)
        if times.hasnans:
            text = texts[int(np.argmax(times.isna()))]
            raise self.column.unreadable(text, text)
        if not any(part.get("zone") for part in parts):
            return pd.DatetimeIndex(times.tz_localize(None))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return pd.DatetimeIndex(pd.to_datetime(written, format="ISO8601"))
            except (ValueError, TypeError):
                return pd.DatetimeIndex(times)
