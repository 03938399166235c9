"""The inputs in the rows of a table's file: which columns hold them, and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from warmstart.core.input_kind import InputKind
from warmstart.core.records import Reading, Record, read_table
from warmstart.core.records.columns import choose_texts, require_column
from warmstart.core.records.table import Table
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from warmstart.core.model import Model

COLUMN = "column"
"""How messages call the option that names columns."""


def table_inputs(
    model: Model[Any, Any, Any], path: str, columns: Sequence[str] = (), *, option: str = COLUMN
) -> list[Any]:
    """The inputs in the rows of a table.

    Args:
        model: of any task whose inputs fit a cell, or two for pairs.
        path: a CSV, TSV, JSONL, JSON or Parquet file; paths in it are relative to it.
        columns: that hold the input; default: by their names or their content.
        option: how messages call the option that names columns.

    Raises:
        UsageError: the columns are not there or ambiguous.
        InputError: a row is damaged.
    """
    table = open_table(model, path, columns, option=option)
    chosen = columns_of_inputs(model, table, columns, option=option)
    values = []
    for record in table.records:
        if not isinstance(record, Record):
            raise record
        values.append(row_input(model, table, record, chosen))
    return values


def open_table(
    model: Model[Any, Any, Any],
    path: str,
    columns: Sequence[str],
    *,
    reading: Reading | None = None,
    option: str = COLUMN,
) -> Table:
    """A file as a table of a model's inputs; arguments and errors as for `table_inputs`."""
    field = replace(model.input_kind.field, option=option)
    return read_table(path, (field,), reading=reading, named=tuple(columns))


def columns_of_inputs(
    model: Model[Any, Any, Any], table: Table, columns: Sequence[str], *, option: str = COLUMN
) -> tuple[str, ...]:
    """The columns of a table that hold a model's inputs; arguments and errors as for `table_inputs`."""
    input_kind = model.input_kind
    if len(columns) > (2 if input_kind.pairs else 1):
        raise UsageError(
            f"{model.name} takes its input from one column{' or two' * input_kind.pairs}."
        )
    if table.positional:
        return table.columns
    names = dict.fromkeys(table.columns, "")
    return input_columns(names, input_kind, tuple(columns), table.name, option=option)


def input_columns(
    row: Mapping[str, Any],
    input_kind: InputKind,
    columns: tuple[str, ...],
    where: str,
    *,
    option: str = COLUMN,
) -> tuple[str, ...]:
    """The columns of a row that hold its input: those asked for, or the usual ones.

    Raises:
        UsageError: they are not there.
    """
    if columns:
        for column in columns:
            if column not in row:
                raise UsageError(
                    f"{where} has no column {column!r}; it has: {', '.join(map(str, row)) or 'none'}."
                )
        return columns
    names = list(map(str, row))
    field = replace(input_kind.field, option=option)
    if input_kind.is_file:
        return (require_column(names, field, None, where),)
    first, second = (
        ("text", "text_pair")
        if "text" in row
        else choose_texts(names, None, None, where, fields=(field, None))
    )
    return (first,) if second is None or row.get(second) is None else (first, second)


def row_input(
    model: Model[Any, Any, Any], table: Table, record: Record, columns: tuple[str, ...]
) -> Any:
    """The input in a row; an `InputError` if it is unusable."""
    input_kind = model.input_kind
    try:
        if input_kind.is_file:
            return table.file(record, columns[0], input_kind.noun)
        first, *rest = columns
        texts = [table.text(record, first)]
        texts += [table.text(record, column) for column in rest if record.values.get(column)]
    except InputError as error:
        return error
    return texts[0] if len(texts) == 1 else tuple(texts)
