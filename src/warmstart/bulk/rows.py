"""The rows of a shard, as inputs of the model."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from warmstart.bulk import storage, tables
from warmstart.bulk.plan import IN_MEMORY, Part, Shard
from warmstart.core import inputs
from warmstart.core.input_kind import InputKind
from warmstart.core.model import Model
from warmstart.core.options import make
from warmstart.core.reading import printable, scheme
from warmstart.core.table_rows import input_columns
from warmstart.errors import InputError, UsageError


@dataclass(frozen=True, eq=False)
class Row:
    """One row.

    Attributes:
        number: among all rows of the run, from 0.
        source: a path or URL, `FILE:LINE` in a table, `item 3` in a list.
        value: the input of the model, or an InputError.
    """

    number: int
    source: str
    value: Any


@dataclass(frozen=True, eq=False)
class RowReader:
    """Converts the rows of a run to inputs of a model.

    Attributes:
        model: the model.
        columns: of the input in tables; empty: the usual names.
        options: of the model's call.
    """

    model: Model[Any, Any, Any]
    columns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_kind(self) -> InputKind:
        return self.model.input_kind

    def table(self, path: str) -> Sequence[inputs.Item]:
        """The inputs of a file that contains several, such as a table of series.

        Raises:
            InputError: it cannot be read.
        """
        key = (path, os.stat(path).st_mtime_ns, repr(sorted(self.options.items())))
        if key not in _TABLES:  # the shards of one table come one after the other
            _TABLES.clear()
            options = make(self.model.options, self.options, self.model.name)
            _TABLES[key] = list(self.model.read_table(path, options))
        return _TABLES[key]

    def from_row(self, row: Any, source: str) -> Any:
        """The single input of a row.

        Raises:
            InputError: the row is not a valid input.
        """
        return self.model.from_row(
            row, source, make(self.model.options, self.options, self.model.name)
        )


_TABLES: dict[Any, list[inputs.Item]] = {}


def rows_of(shard: Shard, reader: RowReader) -> Iterator[Row]:
    """The rows of a shard, in order. If a table cannot be read any more, all its rows fail."""
    number = shard.first
    for part in shard.parts:
        end = number + part.count
        try:
            for source, value in _read(part, number, reader):
                yield Row(number, source, value)
                number += 1
        except InputError as error:
            for left in range(number, end):
                yield Row(left, printable(part.path), error)
        number = end


def _read(part: Part, first: int, reader: RowReader) -> Iterator[tuple[str, Any]]:
    if part.format == "files":
        for path in part.values:
            yield printable(path), _file(path)
    elif part.format == IN_MEMORY:
        for number, text in enumerate(part.values, first + 1):
            yield f"item {number}", tuple(text) if isinstance(text, list) else text
    elif part.format == "series":
        items = reader.table(part.path)
        for index in range(part.start, part.start + part.count):
            if index >= len(items):
                raise InputError(
                    f"{part.path}: has fewer {reader.input_kind.plural} than when it was listed",
                    part.path,
                )
            yield f"{printable(part.path)}:{index + 1}", items[index].value
    else:
        yield from _table_rows(part, reader)


def _table_rows(part: Part, reader: RowReader) -> Iterator[tuple[str, Any]]:
    input_kind, columns = reader.input_kind, reader.columns
    for number, value in tables.rows(part, columns):
        source = f"{printable(part.path)}:{number}"
        try:
            if isinstance(value, InputError):
                raise value
            if input_kind.table_suffixes:
                yield source, reader.from_row(value, source)
            elif input_kind.is_file:
                yield _in_table(value, input_kind, columns, part.path, source)
            else:
                yield source, _text(value, input_kind, columns, source)
        except InputError as error:
            yield source, error
        except (
            UsageError
        ) as error:  # only of this row, because the first row of the table was valid
            yield source, InputError(str(error), source)


def _file(path: str) -> Any:
    if storage.is_remote(path):
        return storage.RowFile(path, partial(storage.open_input, path))
    if scheme(path) is None and not inputs.is_single(
        path
    ):  # a name such as "a*.jpg" that is not there (any more)
        name = printable(path)
        return InputError(
            f"{name}: is a folder, not a file"
            if os.path.isdir(path)
            else f"{name}: there is no such file",
            name,
        )
    return path


def _in_table(
    value: Any, input_kind: InputKind, columns: tuple[str, ...], table: str, source: str
) -> tuple[str, Any]:
    """(source, input of the model) of a row that names a file, or contains its bytes."""
    if isinstance(value, Mapping):
        value = value[input_columns(value, input_kind, columns, source)[0]]
    if isinstance(
        value, Mapping
    ):  # {"bytes": …, "path": …}, as the datasets of Hugging Face have it
        value = value.get("bytes") or value.get("path")
    if isinstance(value, bytes):
        return source, storage.RowFile(source, partial(io.BytesIO, value))
    if not isinstance(value, str) or not value:
        raise InputError(f"{source}: names no {input_kind.noun} ({value!r})", source)
    if scheme(value) is None and not os.path.isabs(value):
        path = (
            f"{table.rpartition('/')[0]}/{value}"
            if storage.is_remote(table)
            else os.path.join(os.path.dirname(table), value)
        )
        if storage.is_remote(table) or os.path.exists(path):
            value = path
    return printable(value), _file(value)


def _text(value: Any, input_kind: InputKind, columns: tuple[str, ...], source: str) -> Any:
    if isinstance(value, Mapping):
        value = [value[column] for column in input_columns(value, input_kind, columns, source)]
        if any(not isinstance(text, str) for text in value):
            raise InputError(
                f"{source}: {next(text for text in value if not isinstance(text, str))!r} is not a text",
                source,
            )
        return tuple(value) if len(value) > 1 else value[0]
    if isinstance(value, str):
        return tuple(value.split("\t", 1)) if "\t" in value else value
    raise InputError(f"{source}: {value!r} is not a text", source)
