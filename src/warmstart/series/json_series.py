"""Series in JSON, as GluonTS writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from warmstart.errors import InputError
from warmstart.series import dates
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd


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
