"""Common forms of dates: regular expressions, and the date that their groups stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    "(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    "sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
TIME = (
    r"(?:(?:[T\s]|,\s)\s*(?P<hour>\d{1,2})"
    r"(?:(?P<mark>[:.])(?P<minute>\d{2})(?:(?P=mark)(?P<second>\d{2}(?:\.\d+)?))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+)?"
FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<year>\d{{4}})(?P<sep>[-/.])(?P<month>\d{{1,2}})(?:(?P=sep)(?P<day>\d{{1,2}})){TIME}",
        r"(?P<year>\d{4})[-/.](?P<month>\d{1,2})",
        rf"(?P<first>\d{{1,2}})(?P<sep>[-/.])(?P<second_number>\d{{1,2}})(?P=sep)"
        rf"(?P<year>\d{{4}}|\d{{2}}){TIME}",
        r"(?P<month>\d{1,2})[-/.](?P<year>\d{4})",
        rf"{WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[-/. ]+{MONTH}\.?[-/., ]+"
        rf"(?P<year>\d{{4}}|\d{{2}}){TIME}",
        rf"{WEEKDAY}{MONTH}\.?[- ]+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[- ]+(?P<year>\d{{4}}){TIME}",
        rf"{MONTH}\.?[-/,' ]+(?P<year>\d{{4}}|\d{{2}})",
        rf"(?P<year>\d{{4}})[-/ ]{MONTH}(?:[-/ ](?P<day>\d{{1,2}}))?{TIME}",
        rf"(?P<year>\d{{2}})[- ]{MONTH}",
        r"(?P<year>\d{4})[- ]?q(?P<quarter>[1-4])",
        r"q(?P<quarter>[1-4])[-/' ]*(?P<year>\d{4}|\d{2})",
        r"(?P<quarter>[1-4])q[-/' ]?(?P<year>\d{4}|\d{2})",
        r"(?P<year>\d{4})[- ]?m(?P<month>\d{1,2})",
        r"(?P<year>\d{4})[- ]?w(?P<week>\d{1,2})(?:-?(?P<weekday>[1-7]))?",
        r"w(?P<week>\d{1,2})[-/ ](?P<year>\d{4})",
    )
)
OFFSET = re.compile(r"(?<=:\d\d)(?:\.\d+)?\s*(?:Z|UTC|[+-]\d{2}(?::?\d{2})?)$")
"""The end of a timestamp with an offset from UTC."""
ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}.*)?|\d{8}T\d{4,6}Z?")


def iso(part: Mapping[str, str | None]) -> str:
    """A date in ISO 8601 from the groups of one of `FORMS`.

    Raises:
        ValueError: there is no such week.
    """
    year = int(part["year"] or 0)
    if year < 100:
        year += 1900 if year >= 69 else 2000  # as POSIX has it
    if week := part.get("week"):
        day = date.fromisocalendar(year, int(week), int(part.get("weekday") or 1))
        return day.isoformat()
    month = int(part.get("month") or 1)
    if name := part.get("name"):
        month = MONTHS.index(name[:3].lower()) + 1
    if quarter := part.get("quarter"):
        month = 3 * int(quarter) - 2
    text = f"{year:04d}-{month:02d}-{int(part.get('day') or 1):02d}"
    if part.get("hour") is None:
        return text
    hour = int(part["hour"] or 0)
    if half := part.get("half"):
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    text += f"T{hour:02d}:{part.get('minute') or '00'}:{part.get('second') or '00'}"
    zone = part.get("zone") or ""
    return text + ("+00:00" if zone.upper() in ("Z", "UTC", "GMT") else zone)
