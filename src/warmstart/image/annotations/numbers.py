"""Numbers and flags of annotation files, which come as numbers or as texts of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

SHARE_SLACK = 0.01
"""Below 0 and above 1, that rounding explains."""
_TRUE, _FALSE = ("1", "1.0", "true"), ("", "0", "0.0", "false", "unspecified")


def number(value: Any) -> float:
    """A JSON number or a text of one as a float.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"not a number: {value!r:.40}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def whole(value: Any) -> int:
    """A whole number, also where it is written as a float or as text.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
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
    """Whether a flag is set: 0 or 1, true or false, also as text; without a value it is not.

    Raises:
        ValueError: it is something else; the message completes "iscrowd ".
    """
    text = "" if value is None else str(value).strip().lower()
    if isinstance(value, list | dict) or text not in _TRUE + _FALSE:
        raise ValueError(f"is {value!r:.40}, not 0 or 1")
    return text in _TRUE


def size_of(width: Any, height: Any) -> tuple[int, int] | None:
    """(width, height) of a photo as an annotation has it; None where it does not say.

    Raises:
        ValueError: one is not a whole number; the message completes "the width …".
    """
    sides = []
    for name, value in (("width", width), ("height", height)):
        try:
            sides.append(0 if value is None or value == "" else whole(value))
        except ValueError as error:
            raise ValueError(f"the {name} of the photo {error}") from None
    return (sides[0], sides[1]) if all(sides) else None


def are_shares(numbers: Iterable[float]) -> bool:
    """Whether numbers of a box are shares of the photo: between 0 and 1, but for rounding."""
    return all(-SHARE_SLACK <= number <= 1 + SHARE_SLACK for number in numbers)


def must_be_shares(numbers: Iterable[float]) -> bool:
    """Whether numbers of a box cannot be pixels: shares, not all of them whole numbers."""
    numbers = tuple(numbers)
    return are_shares(numbers) and any(number % 1 for number in numbers)


def size_fault(
    name: str, recorded: tuple[int, int] | None, size: tuple[int, int], turned: bool
) -> str:
    """What is wrong where an annotation has another (width, height) than its photo; "" for nothing."""
    if recorded is None or recorded == size:
        return ""
    return (
        f"{name}: the annotation says {recorded[0]}x{recorded[1]} pixels, the photo has "
        f"{size[0]}x{size[1]}{upright(turned and recorded == size[::-1])}; the photo is left out"
    )


def upright(turned: bool) -> str:
    """What to do with an annotation of a photo that EXIF turns, for a message; "" for others."""
    return " after EXIF rotation (save the rotated photo, or annotate it upright)" if turned else ""
