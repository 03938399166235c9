"""The type of JSON values, and checks of numbers among them."""

from __future__ import annotations

from math import inf
from typing import Any, TypeAlias, TypeGuard

JSON: TypeAlias = Any
"""A JSON value: a dict, list, str, int, float, bool or None. Type checkers treat it as `Any`,
because each step into a recursive type would need a cast.
"""


def is_integer(value: object, minimum: float = -inf, maximum: float = inf) -> TypeGuard[int]:
    """Whether it is an int (and not a bool) from `minimum` to `maximum`."""
    return isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= maximum


def is_number(value: object, minimum: float = -inf, maximum: float = inf) -> TypeGuard[float]:
    """Whether it is an int or float (and not a bool) from `minimum` to `maximum`."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and minimum <= value <= maximum
    )
