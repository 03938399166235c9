"""Refuse tables whose rows are segments of recordings: each row would be read as a whole file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.core.reading import scheme
from warmstart.core.records.record import Record
from warmstart.errors import InputError, UsageError
from warmstart.speech import audio, sound_files

BEGINS = frozenset({"start", "begin", "offset", "onset", "tmin", "xmin", "from", "t0"})
ENDS = frozenset({"end", "stop", "tmax", "xmax", "duration", "dur", "to", "t1"})
UNITS = {"ms": 0.001, "msec": 0.001, "millis": 0.001, "milliseconds": 0.001}
SECONDS = frozenset({"s", "t", "sec", "secs", "seconds", "time", "times"})
SAMPLES = frozenset({"sample", "samples", "frame", "frames"})
FILLERS = frozenset(
    {"segment", "seg", "audio", "utterance", "utt", "clip", "speech", "in", "of", "at"}
)
SHORTER = 1.0
"""Seconds that a row may be shorter than its file: lengths are often rounded."""
_WORD = re.compile(r"[Tt][01](?!\d)|[A-Z]?[a-z]+|[A-Z]+")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")


class Segments:
    """The columns that say where a row begins and ends in its file.

    Args:
        columns: of the table.
    """

    def __init__(self, columns: Sequence[str]):
        self.begins = [column for column in columns if _unit(column, BEGINS) is not None]
        units = {column: _unit(column, ENDS) for column in columns}
        self.ends = {column: unit for column, unit in units.items() if unit}

    def check(self, record: Record, recording: Any) -> None:
        """Refuse a row that begins or ends within its file.

        Args:
            record: the row.
            recording: its recording; a file that cannot be read is reported elsewhere.

        Raises:
            UsageError: the row is a segment.
        """
        for column in self.begins:
            if (_number(record.values.get(column)) or 0) > 0:
                # Rows that begin at 0 are segments, too.
                raise UsageError(
                    f"{record.name}: begins at {column} {record.values[column]} of its file, "
                    "so the table contains segments; save them as separate files, or remove "
                    "the column if they already are."
                )
        for column, unit in self.ends.items():
            end = _number(record.values.get(column))
            if end is None or end <= 0:
                continue
            seconds = _seconds(recording)
            if seconds is not None and end * unit < seconds - SHORTER:
                raise UsageError(
                    f"{record.name}: {column} is {record.values[column]}, but its file has "
                    f"{seconds:.1f} s: the table may contain segments, or the column is "
                    "wrong. Save segments as separate files; if the text is that of the "
                    "whole file, remove the column."
                )


def _unit(column: str, names: frozenset[str]) -> float | None:
    """Seconds per unit of a column whose name has one of these words, 0 if it counts samples; None
    for any other column.
    """
    words = [word.casefold() for word in _WORD.findall(column)]
    others = [word for word in words if word not in names and word not in FILLERS]
    if len(words) == len(others) or not {*others} <= {*UNITS, *SECONDS, *SAMPLES}:
        return None
    if SAMPLES & {*others}:
        return 0.0
    return next((UNITS[word] for word in others if word in UNITS), 1.0)


def _number(value: Any) -> float | None:
    """A time in a cell: a number, or hours, minutes and seconds; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())):
        hours, minutes, seconds = clock.groups()
        return 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _seconds(recording: Any) -> float | None:
    """The length of a recording; None if it would have to be fetched or decoded, or is unusable."""
    if audio.is_sound(recording):
        if isinstance(recording, Mapping):
            recording = recording["array"], recording["sampling_rate"]
        array, rate = recording
        return max(np.shape(array), default=0) / rate if rate else None
    if scheme(recording) is not None or hasattr(recording, "read"):
        return None
    try:
        return sound_files.file_seconds(recording, estimate=False)
    except (InputError, OSError):
        return None
