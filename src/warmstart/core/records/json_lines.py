"""JSON, and JSON lines: a value in each line of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from warmstart.errors import RecordError


def json_lines(lines: Iterable[str], name: str) -> Iterator[tuple[str, Any]]:
    """The values of lines, each with its name, `FILE:LINE`; the value of a line that is not JSON is
    a `RecordError`. Blank lines are left out.
    """
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{name}:{number}"
            yield where, json_value(line, where)


def json_value(text: str, name: str) -> Any:
    """The value of a JSON text; a `RecordError` if it is not JSON."""
    try:
        return parsed(text)
    except (ValueError, RecursionError) as error:
        return RecordError(f"{name}: is not JSON ({error})", name)


def parsed(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is not JSON, or a key occurs twice in an object.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, object_pairs_hook=_unique_keys)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(
            f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice"
        )
    return value
