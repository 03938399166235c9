"""The type of JSON values, and checks of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from math import inf
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, TypeGuard, Union, get_args, get_origin, get_type_hints

JSON: TypeAlias = Any
"""A JSON value: a dict, list, str, int, float, bool or None. Type checkers treat it as `Any`,
because each step into a recursive type would need a cast.
"""
LARGEST = 1.7e308
"""Larger numbers are not finite as floats."""
Check: TypeAlias = Callable[[object, str], None]
"""Raises `ValueError` unless a value, which has a name for the message, is valid."""
_PLAIN: Mapping[Any, tuple[Callable[[Any], bool], str]] = {
    str: (lambda value: isinstance(value, str), "a string"),
    int: (lambda value: is_integer(value), "an integer"),
    float: (lambda value: is_number(value, -LARGEST, LARGEST), "a number"),
    bool: (lambda value: isinstance(value, bool), "true or false"),
    NoneType: (lambda value: value is None, "null"),
}


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


def check(value: object, hint: Any, name: str = "") -> None:
    """Check that a JSON value has the type of an annotation.

    Args:
        value: of the JSON.
        hint: plain types, `Any`, `Literal`, unions, lists (also as tuples and sequences), mappings
            with strings as keys; and dataclasses, named tuples and typed dictionaries, which stand
            for objects. Only objects of typed dictionaries may have further keys.
        name: of the value, for the message; "" for a whole file.

    Raises:
        ValueError: it has another type; such as "weights.top.source must be a string, not null".
    """
    _check_of(hint)(value, name)


@cache
def _check_of(hint: Any) -> Check:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value, name: None
    if hint in _PLAIN:
        return _plain(*_PLAIN[hint])
    if origin is Literal:
        words = f"one of {', '.join(map(str, arguments))}"
        return _plain(lambda value: isinstance(value, str) and value in arguments, words)
    if origin in (Union, UnionType):
        return _any_of(arguments)
    if origin is tuple and arguments[-1] is not ...:
        return _list_of([_check_of(argument) for argument in arguments])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping_of(_check_of(arguments[1]))
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return _list_of(_check_of(arguments[0]))
    return _object_of(hint)


def _plain(is_valid: Callable[[Any], bool], words: str) -> Check:
    def check_plain(value: object, name: str) -> None:
        if not is_valid(value):
            raise ValueError(_wrong(value, words, name))

    return check_plain


def _any_of(hints: Sequence[Any]) -> Check:
    others = [hint for hint in hints if hint is not NoneType]
    is_nullable = len(others) < len(hints)
    if len(others) == 1:
        one = _check_of(others[0])

        def check_nullable(value: object, name: str) -> None:
            if value is not None:
                one(value, name)

        return check_nullable

    def check_any(value: object, name: str) -> None:
        if value is None and is_nullable:
            return
        problems = []
        for hint in others:
            try:
                _check_of(hint)(value, name)
            except ValueError as error:
                problems.append(str(error))
            else:
                return
        expected = " or ".join(_PLAIN[hint][1] for hint in others if hint in _PLAIN)
        raise ValueError(_wrong(value, expected, name) if expected else problems[0])

    return check_any


def _list_of(items: Check | Sequence[Check]) -> Check:
    """A list of any length with one check, or of as many items as there are checks."""

    def check_list(value: object, name: str) -> None:
        if not isinstance(value, list | tuple):
            raise ValueError(_wrong(value, "a list", name))
        if callable(items):
            checks: Iterable[Check] = [items] * len(value)
        elif len(value) == len(items):
            checks = items
        else:
            raise ValueError(f"{name} must have {len(items)} items, not {len(value)}")
        for index, (one, item) in enumerate(zip(checks, value, strict=True)):
            one(item, f"{name}[{index}]")

    return check_list


def _mapping_of(values: Check) -> Check:
    def check_mapping(value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            raise ValueError(_wrong(value, "an object", name))
        for key, item in value.items():
            values(item, _inside(name, key))

    return check_mapping


def _object_of(cls: Any) -> Check:
    hints = {key: _check_of(hint) for key, hint in get_type_hints(cls).items()}
    is_open = hasattr(cls, "__required_keys__")
    if is_open:
        required = set(cls.__required_keys__)
    elif dataclasses.is_dataclass(cls):
        every = dataclasses.fields(cls)
        hints = {field.name: hints[field.name] for field in every}
        missing = dataclasses.MISSING
        required = {
            field.name
            for field in every
            if field.default is missing and field.default_factory is missing
        }
    else:
        hints = {key: hints[key] for key in cls._fields}
        required = hints.keys() - cls._field_defaults.keys()

    def check_object(value: object, name: str) -> None:
        if not isinstance(value, Mapping):
            raise ValueError(_wrong(value, "an object", name))
        where = f"{name}: " if name else ""
        for key in hints:
            if key in required and key not in value:
                raise ValueError(f"{where}the key {key!r} is missing")
        for key, item in value.items():
            if key in hints:
                hints[key](item, _inside(name, key))
            elif not is_open:
                raise ValueError(f"{where}unknown key {key!r}")

    return check_object


def _inside(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _wrong(value: object, expected: str, name: str) -> str:
    if value is None:
        actual = "null"
    elif isinstance(value, str):
        actual = f"the string {value[:40]!r}"
    elif isinstance(value, bool):
        actual = str(value).lower()
    elif isinstance(value, Mapping):
        actual = "an object"
    else:
        actual = "a list" if isinstance(value, list | tuple) else f"{value!r:.40}"
    return f"{name or 'it'} must be {expected}, not {actual}"
