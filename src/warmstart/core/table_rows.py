"""The inputs in the rows of a table's file: which columns hold them, and their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from warmstart.core.input_kind import InputKind
from warmstart.core.records import Reading, Record, content, read_table
from warmstart.core.records.columns import TEXT, TEXT_PAIRS, choose_texts, require_column
from warmstart.core.records.file_columns import optional_file_column
from warmstart.core.records.table import Table
from warmstart.core.records.values import is_missing
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
    if not columns and (column := _column_by_content(table, input_kind)) is not None:
        return (column,)
    names = dict.fromkeys(table.columns, "")
    return input_columns(names, input_kind, tuple(columns), table.name, option=option)


def _column_by_content(table: Table, input_kind: InputKind) -> str | None:
    """The column whose cells are a model's inputs, if no column has a usual name."""
    if input_kind.is_file:
        return optional_file_column(table, input_kind.field)
    paired = {name for pair in TEXT_PAIRS for name in pair}
    if {column.casefold() for column in table.columns} & (input_kind.field.usual_names | paired):
        return None
    candidates = content.columns_that(content.are_texts, table.cells(), ())
    return candidates[0] if len(candidates) == 1 else None


def names_files(
    path: str, input_kind: InputKind, columns: Sequence[str], reading: Reading, option: str = COLUMN
) -> bool:
    """Whether the inputs in a table are files of a type, such as photos: all have its suffixes.

    Args:
        path: of the table; False if it cannot be read.
        input_kind: of the files.
        columns: that hold the input; default: by their names or their content.
        reading: how the table is read.
        option: how messages call the option that names columns.

    Raises:
        UsageError: a column of files and one of texts could be meant.
    """
    try:
        table = read_table(path, (input_kind.field,), reading=reading, named=tuple(columns))
        column = columns[0] if columns else optional_file_column(table, input_kind.field)
        cells = table.cells().get(column or "", [])
    except (UsageError, InputError):  # reported when its inputs are read
        return False
    names = [cell.get("path") if isinstance(cell, Mapping) else cell for cell in cells]
    names = [name for name in names if not is_missing(name)]
    suffixes = tuple(input_kind.suffixes)
    if not names or not all(str(name).lower().endswith(suffixes) for name in names):
        return False
    usual = TEXT.tiers[0]
    text = next((name for name in table.columns if name.casefold() in usual), None)
    if text is not None and not columns:
        raise UsageError(
            f"{path} has {input_kind.plural} in the column {column!r} and texts in the column "
            f"{text!r}; name one with {option}, or choose a model."
        )
    return True


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
