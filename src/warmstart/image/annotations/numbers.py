"""Numbers and flags of annotation files, which may be numbers or text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from warmstart.json_values import is_integer

FRACTION_SLACK = 0.01
"""How far rounded fractions may be below 0 or above 1."""
_TRUE, _FALSE = ("1", "1.0", "true"), ("", "0", "0.0", "false", "unspecified")


def number(value: Any) -> float:
    """A float from a JSON number or its text.

    Raises:
        ValueError: it is not a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"not a number: {value!r:.40}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def integer(value: Any) -> int:
    """An integer from an int, a float or text.

    Raises:
        ValueError: it is not an integer.
    """
    if is_integer(value):
        return value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    try:
        if not number(value).is_integer():
            raise ValueError
        return int(number(value))
    except ValueError:
        raise ValueError(f"is {value!r:.40} ({type(value).__name__}), not a whole number") from None


def flag(value: Any) -> bool:
    """Whether a flag is set: 0 or 1, true or false, also as text; False if it is missing.

    Raises:
        ValueError: it has another value; the message completes "iscrowd ".
    """
    text = "" if value is None else str(value).strip().lower()
    if isinstance(value, list | dict) or text not in _TRUE + _FALSE:
        raise ValueError(f"is {value!r:.40}, not 0 or 1")
    return text in _TRUE


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """The (width, height) of a photo in an annotation; None if it is missing.

    Raises:
        ValueError: one is not an integer; the message completes "the width …".
    """
    sides = []
    for name, value in (("width", width), ("height", height)):
        try:
            sides.append(0 if value is None or value == "" else integer(value))
        except ValueError as error:
            raise ValueError(f"the {name} of the photo {error}") from None
    return (sides[0], sides[1]) if all(sides) else None


def are_fractions(numbers: Iterable[float]) -> bool:
    """Whether the numbers of a box may be fractions of the photo: 0 to 1, except for rounding."""
    return all(-FRACTION_SLACK <= number <= 1 + FRACTION_SLACK for number in numbers)


def must_be_fractions(numbers: Iterable[float]) -> bool:
    """Whether the numbers of a box are fractions of the photo and cannot be pixels."""
    numbers = tuple(numbers)
    return are_fractions(numbers) and any(number % 1 for number in numbers)


def size_fault(
    name: str, recorded: tuple[int, int] | None, size: tuple[int, int], is_rotated: bool
) -> str:
    """The fault of an annotation whose (width, height) differs from its photo's; "" if there is
    none.
    """
    if recorded is None or recorded == size:
        return ""
    return (
        f"{name}: the annotation says {recorded[0]}x{recorded[1]} pixels, the photo has "
        f"{size[0]}x{size[1]}{upright(is_rotated and recorded == size[::-1])}; the photo is left out"
    )


def upright(is_rotated: bool) -> str:
    """A hint for the annotation of a photo that EXIF rotates, for a message; "" for others."""
    hint = " after EXIF rotation (save the rotated photo, or annotate it upright)"
    return hint if is_rotated else ""
