"""Plain messages for the validation errors of msgspec."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

_UNKNOWN = re.compile("unknown field `(.*?)`")
_MISSING = re.compile("missing required field `(.*?)`")
_PATH = re.compile(r" - at `\$(.*)`$")
_UNSUPPORTED = "left out: this server does not support it"


def explain(error: msgspec.ValidationError, struct: type[msgspec.Struct]) -> str:
    """One sentence that names the field, and its valid values.

    Args:
        error: of decoding or converting to the struct.
        struct: the type of the request.
    """
    message = str(error)
    location = _PATH.search(message)
    path = location[1].removeprefix(".") if location else ""
    name, info = _field(path, struct)
    within = f" of {name}" if name else ""
    if unknown := _UNKNOWN.search(message):
        known = "" if name else f" The request takes {', '.join(_fields(struct))}."
        return f"There is no field {unknown[1][:100]!r}{within}.{known}"
    if missing := _MISSING.search(message):
        return f"The field {missing[1]!r}{within} is missing."
    if info is None:
        return "The request must be a JSON object."
    if path != name and (items := _member(info, inspect.ListType)):
        return f"Every item of {name} must be {_required(items.item_type)}."
    return f"{name} must be {_required(info)}."


def _field(path: str, struct: type[msgspec.Struct]) -> tuple[str, inspect.Type | None]:
    """The name and the type of the innermost field of a path such as `stop[3]` or `a.b`."""
    for name, info in _fields(struct).items():
        if path == name or path.startswith((f"{name}.", f"{name}[")):
            inner = _member(info, inspect.StructType)
            if inner is None or path == name:
                return name, info
            within, info_within = _field(path.removeprefix(f"{name}."), inner.cls)
            return f"{name}.{within}", info_within
    return "", None


@cache
def _fields(struct: type[msgspec.Struct]) -> dict[str, inspect.Type]:
    """Types of the fields by their names in the request."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: field.type for field in info.fields}


def _member(info: inspect.Type, class_: type[Any]) -> Any:
    """The type itself, or the member of a union, that is of a class of `msgspec.inspect`."""
    types = info.types if isinstance(info, inspect.UnionType) else (info,)
    return next((member for member in types if isinstance(member, class_)), None)


def _required(info: inspect.Type) -> str:
    """The description of valid values of a field of this type."""
    match info:
        case inspect.UnionType(types):
            return _or_list(
                [_required(member) for member in types if not isinstance(member, inspect.NoneType)]
            )
        case inspect.LiteralType(values):
            return _or_list(values)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            return _number(info)
        case inspect.StrType(min_length, max_length):
            return _sized("a string", "characters", min_length, max_length)
        case inspect.ListType(_, min_length, max_length):
            return _sized("an array", "items", min_length, max_length)
        case inspect.DictType(max_length=0) | inspect.NoneType():
            return _UNSUPPORTED
    return "an object"


def _or_list(choices: Sequence[Any]) -> str:
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def _number(info: Any) -> str:
    noun = "an integer" if isinstance(info, inspect.IntType) else "a number"
    low, high = info.ge, info.le
    if low is not None and low == high:
        return f"{low:g}; this server does not support another value"
    if low is not None and high is not None:
        return f"{noun} from {low:,} to {high:,}"
    if info.gt is not None and high is not None:
        return f"{noun} above {info.gt:,} and at most {high:,}"
    return f"{noun} of {low:,} or more" if low is not None else noun


def _sized(noun: str, unit: str, minimum: int | None, maximum: int | None) -> str:
    if maximum == 0:
        return _UNSUPPORTED
    if maximum is not None:
        return f"{noun} of {minimum or 0:,} to {maximum:,} {unit}"
    return f"{noun} that is not empty" if minimum else noun
