"""Checks of single keys of a config: each returns the value, or says which key of which file is
wrong.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from warmstart.errors import UsageError


def integer(
    config: Mapping[str, Any], key: str, where: Path, default: int, least: int, most: int
) -> int:
    """A whole number within bounds."""
    value = config.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UsageError(
            f"{where}: {key} must be a whole number from {least} to {most}, not {value!r}."
        )
    return value


def integers(
    config: Mapping[str, Any],
    key: str,
    where: Path,
    default: Sequence[int],
    least: int,
    most: int,
    count: int,
) -> list[int]:
    """A list of that many whole numbers within bounds."""
    values = config.get(key, default)
    if (
        not isinstance(values, list | tuple)
        or len(values) != count
        or not all(
            isinstance(v, int) and not isinstance(v, bool) and least <= v <= most for v in values
        )
    ):
        raise UsageError(
            f"{where}: {key} must be {count} whole numbers from {least} to {most}, not {values!r}."
        )
    return list(values)


def number(
    config: Mapping[str, Any], key: str, where: Path, default: float, least: float, most: float
) -> float:
    """A number within bounds."""
    value = config.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise UsageError(
            f"{where}: {key} must be a number from {least:g} to {most:g}, not {value!r}."
        )
    return float(value)


def one_of(
    config: Mapping[str, Any], key: str, where: Path, default: Any, allowed: Sequence[Any]
) -> Any:
    """One of a few values."""
    value = config.get(key, default)
    if value not in allowed:
        raise UsageError(
            f"{where}: {key} {value!r} is not supported; supported: {', '.join(map(str, allowed))}."
        )
    return value
