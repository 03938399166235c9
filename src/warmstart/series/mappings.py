"""Mappings from names to series."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from numbers import Real
from typing import Any

from warmstart.errors import UsageError
from warmstart.series.tables import TIMES


def check(data: Mapping[Any, Any]) -> None:
    """Refuse a mapping that is not one from names to series.

    Raises:
        UsageError: it maps timestamps to numbers, or contains the columns of a table.
    """
    if data and all(isinstance(value, Real) for value in data.values()):
        raise UsageError(
            "A mapping is from names to series, and this one is to single numbers; for one series "
            "by its timestamps, pass pandas.Series(x)."
        )
    for name, value in data.items():
        if str(name).lower() in TIMES and _has_dates(value):
            raise UsageError(
                f"A mapping is from names to series, and {str(name)!r} contains timestamps; for a "
                "table of columns, pass pandas.DataFrame(x)."
            )


def _has_dates(value: Any) -> bool:
    """Whether a value contains timestamps, maybe as text."""
    if isinstance(value, list | tuple):
        return any(isinstance(item, str | date) for item in value)
    return getattr(getattr(value, "dtype", None), "kind", "") == "M"
