"""Files of JSON lines: a series in each, as GluonTS writes them, or a row of a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.core.records.encodings import decoded_lines
from warmstart.errors import InputError, RecordError, UsageError
from warmstart.series import dates
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = frozenset({".jsonl", ".ndjson"})


def read(path: str) -> list[tuple[str, Any]] | pd.DataFrame:
    """The records of a file with their names, FILE:LINE; or a table, where the first line is not a
    series but a row.

    Raises:
        InputError: the file cannot be opened, is empty, or is not JSON lines.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: there is no such file.", path)
    records: list[tuple[str, Any]] = []
    number = 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(decoded_lines(file, path), 1):
                if line.strip():
                    records.append((f"{path}:{number}", json.loads(line)))
    except (OSError, RecordError, UsageError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: it cannot be read ({reason}).", path) from error
    except (ValueError, RecursionError) as error:
        where = f"{path}:{number}"
        raise InputError(f"{where}: it is not JSON ({error}).", where) from error
    if not records:
        raise InputError(f"{path}: it is empty.", path)
    if is_series(records[0][1]):
        return records
    import pandas as pd

    rows = [record for _, record in records]
    if not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f'{path}: its lines are neither series ({{"target": [numbers], …}}) nor rows of a table '
            '({"timestamp": …, "target": …}).',
            path,
        )
    return pd.DataFrame(rows)


def is_series(record: Any) -> bool:
    """Whether a record is a series, not a row of a table."""
    return isinstance(record, list) or (
        isinstance(record, dict) and isinstance(record.get("target"), list)
    )


def series_of(record: Any, name: str, layout: Layout) -> tuple[str, pd.Series]:
    """The name and the values of a series.

    Args:
        record: a list of numbers, or a mapping: `target`, maybe with `timestamp`s or with `start`
            and `freq`, and with `item_id`, the name.
        name: of the series where the record has none, and for messages.
        layout: how to read it.

    Raises:
        InputError: it is not a series.
    """
    import pandas as pd

    fields = record if isinstance(record, Mapping) else {"target": record}
    target = fields.get("target")
    if not isinstance(target, list) or not target:
        message = 'a series in a table is {"target": [numbers], …}, or a list of numbers'
        raise InputError(f"{name}: {message}", name)
    index: Any = None
    try:
        if "timestamp" in fields:
            column = pd.Series(list(fields["timestamp"]))
            column_dates = dates.read(column, "timestamp", name, layout.date_format)
            index = column_dates.times if column_dates.times is not None else column_dates.steps
        elif "start" in fields:
            freq = fields.get("freq") or layout.freq or layout.expected
            if freq is None:
                raise InputError(
                    f'{name}: it has a start but no frequency; add it to the line ("freq": '
                    '"D"), or pass freq=.',
                    name,
                )
            index = pd.date_range(fields["start"], periods=len(target), freq=freq)
        _check_numbers(target, name)
        series = pd.Series(target, index=index, dtype="float64")
    except (ValueError, TypeError) as error:
        raise InputError(f"{name}: {error}", name) from error
    return str(fields.get("item_id", name)), series


def _check_numbers(target: list[Any], name: str) -> None:
    """Refuse values that are not numbers.

    Raises:
        InputError: there is one; names the series and the step.
    """
    for step, value in enumerate(target):
        try:
            float("nan" if value is None else value)
        except (ValueError, TypeError):
            raise InputError(
                f"{name}: {value!r} in 'target' (value {step + 1}) is not a number; correct it, or "
                "write null where the value is missing.",
                name,
            ) from None
