"""A shard's rows, as the model takes them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from warmstart.bulk import listing, storage, tables
from warmstart.bulk.plan import Part, Shard
from warmstart.core import inputs
from warmstart.core.reading import printable, scheme
from warmstart.errors import InputError, UsageError
from warmstart.series.layout import Layout


@dataclass(frozen=True, eq=False)
class Row:
    """One row.

    Attributes:
        number: among all rows of the run, from 0.
        source: where it stands: a path or URL, `FILE:LINE` in a table, `item 3` in a list.
        value: what the model takes, or the InputError that says why there is nothing to take.
    """

    number: int
    source: str
    value: Any


def rows_of(shard: Shard, kind: str, columns: tuple[str, ...], layout: Layout | None) -> Iterator[Row]:
    """The rows of a shard, in order; of a table that cannot be read any more, all fail."""
    number = shard.first
    for part in shard.parts:
        end = number + part.count
        try:
            for source, value in _read(part, number, kind, columns, layout):
                yield Row(number, source, value)
                number += 1
        except InputError as error:
            for left in range(number, end):
                yield Row(left, printable(part.path), error)
        number = end


def _read(part: Part, first: int, kind: str, columns: tuple[str, ...],
          layout: Layout | None) -> Iterator[tuple[str, Any]]:
    if part.kind == "files":
        for path in part.values:
            yield printable(path), _file(path)
    elif part.kind == "given":
        for place, text in enumerate(part.values, first + 1):
            yield f"item {place}", tuple(text) if isinstance(text, list) else text
    elif part.kind == "series":
        found = _series(part.path, os.stat(part.path).st_mtime_ns, _Hashable(layout))
        for place in range(part.start, part.start + part.count):
            if place >= len(found):
                raise InputError(f"{part.path}: has fewer series than when it was listed", part.path)
            yield f"{printable(part.path)}:{place + 1}", found[place][1]
    else:
        for number, value in tables.rows(part, columns):
            source = f"{printable(part.path)}:{number}"
            try:
                if isinstance(value, InputError):
                    raise value
                if kind == "series":
                    yield source, _line_of_series(value, source, layout)
                elif kind == "text":
                    yield source, _text(value, columns, source)
                else:
                    yield _in_table(value, kind, columns, part.path, source)
            except InputError as error:
                yield source, error
            except UsageError as error:  # of this one row: the first one of the table was as it should be
                yield source, InputError(str(error), source)


def _file(path: str) -> Any:
    if storage.is_remote(path):
        return storage.Remote(path)
    if scheme(path) is None and not inputs.is_single(path):  # a name such as "a*.jpg" that is not there (any more)
        name = printable(path)
        return InputError(f"{name}: is a folder, not a file" if os.path.isdir(path) else
                          f"{name}: there is no such file", name)
    return path


def _in_table(value: Any, kind: str, columns: tuple[str, ...], table: str, source: str) -> tuple[str, Any]:
    """(source, what the model takes) of a row that names a file, or holds one."""
    if isinstance(value, Mapping):
        value = value[listing.chosen(value, kind, columns, source)[0]]
    if isinstance(value, Mapping):  # {"bytes": …, "path": …}, as the datasets of Hugging Face have it
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        file = io.BytesIO(value)
        file.name = source
        return source, file
    if not isinstance(value, str) or not value:
        raise InputError(f"{source}: names no {kind} ({value!r})", source)
    if scheme(value) is None and not os.path.isabs(value):
        beside = f"{table.rpartition('/')[0]}/{value}" if storage.is_remote(table) else os.path.join(
            os.path.dirname(table), value)
        if storage.is_remote(table) or os.path.exists(beside):
            value = beside
    return printable(value), _file(value)


def _text(value: Any, columns: tuple[str, ...], source: str) -> Any:
    if isinstance(value, Mapping):
        value = [value[column] for column in listing.chosen(value, "text", columns, source)]
        if any(not isinstance(text, str) for text in value):
            raise InputError(f"{source}: {next(text for text in value if not isinstance(text, str))!r} is no text",
                             source)
        return tuple(value) if len(value) > 1 else value[0]
    if isinstance(value, str):
        return tuple(value.split("\t", 1)) if "\t" in value else value
    raise InputError(f"{source}: {value!r} is no text", source)


class _Hashable:
    """A layout as a key; its lists of columns are no keys."""

    def __init__(self, layout: Layout | None):
        self.layout = layout

    def __hash__(self) -> int:
        return hash(repr(self.layout))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashable) and self.layout == other.layout


@lru_cache(maxsize=2)
def _series(path: str, changed: int, layout: _Hashable) -> list[tuple[str, Any]]:
    """All series of a table; the shards of one table come one after the other."""
    from warmstart.series import time_series

    return list(time_series.iter_series(path, layout.layout))


def _line_of_series(value: Any, source: str, layout: Layout | None) -> Any:
    """A series of a JSON line: `target` with `timestamp`s, with `start` and `freq`, or alone; `item_id` is its name."""
    import pandas as pd

    from warmstart.series import time_series

    target = value.get("target") if isinstance(value, Mapping) else value
    if not isinstance(target, list) or not target:
        raise InputError(f"{source}: a line of a file of series is {{\"target\": [numbers], …}}, or a list of numbers",
                         source)
    given = value if isinstance(value, Mapping) else {}
    name = str(given.get("item_id", source))
    index = None
    try:
        if "timestamp" in given:
            index = pd.DatetimeIndex(pd.to_datetime(list(given["timestamp"])))
        elif "start" in given:
            freq = str(given.get("freq") or (layout and (layout.freq or layout.expected)))
            index = pd.date_range(given["start"], periods=len(target), freq=freq)
        numbers = pd.Series(target, index=index, name=name, dtype="float64")
    except (ValueError, TypeError) as error:
        raise InputError(f"{source}: {error}", source) from error
    ((_, found),) = time_series.iter_series(numbers, layout)
    return found
