"""Predict the rows of a table; the results are added as columns."""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core.inputs import Item
from warmstart.core.model import Model
from warmstart.core.output_files import opened_whole
from warmstart.core.reading import printable
from warmstart.core.records import Reading, Record
from warmstart.core.records.table import Table
from warmstart.core.results import Failed
from warmstart.core.table_rows import COLUMN, columns_of_inputs, open_table, row_input
from warmstart.core.wire import wire_of
from warmstart.errors import UsageError, require

WRITTEN = (".csv", ".tsv", ".jsonl", ".parquet")
ERROR = "error"


@dataclass(frozen=True)
class PredictedTable:
    """A table with results.

    Attributes:
        inputs: the columns of the input.
        columns: of the file, then those of the results, then `error`.
        rows: in the order of the file, an iterator. A row has the cells of the file and the values of
            its result, or a message in the column `error`.
        error: the name of that column, which differs from all columns of the file.
    """

    inputs: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Iterator[dict[str, Any]]
    error: str


def predict_table(
    model: Model[Any, Any, Any],
    path: str,
    options: Any,
    columns: Sequence[str] = (),
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    option: str = COLUMN,
) -> PredictedTable:
    """Predict each row of a table.

    Args:
        model: of any task whose inputs fit a cell, or two for pairs.
        path: a CSV, TSV, JSONL, JSON or Parquet file; paths in it are relative to it.
        options: of the model's call.
        columns: of the input; default: recognised by their names or content.
        encoding, delimiter: of a text file; default: recognised.
        option: the name of the option `columns` in messages.

    Raises:
        UsageError: the model's results do not fit a row, or the columns are not there or ambiguous.
    """
    input_kind = model.input_kind
    if input_kind.table_suffixes or model.result.is_file:
        raise UsageError(f"{model.name} does not predict row by row; see its task's own options.")
    reading = Reading(encoding=encoding, delimiter=delimiter)
    table = open_table(model, path, columns, reading=reading, option=option)
    inputs = columns_of_inputs(model, table, columns, option=option)
    names = model.result.summary or tuple(
        name for name, _ in wire_of(model.result).fields if name not in ("input", "model")
    )
    used = set(table.columns)
    added = {name: _free_name(name, used) for name in (*names, ERROR)}
    rows = _rows(model, table, inputs, options, added)
    return PredictedTable(inputs, (*table.columns, *added.values()), rows, added[ERROR])


def _free_name(name: str, used: set[str]) -> str:
    """The name of a new column; the prefix `predicted_` is added until it is unique."""
    while name in used:
        name = f"predicted_{name}"
    used.add(name)
    return name


def _rows(
    model: Model[Any, Any, Any],
    table: Table,
    inputs: tuple[str, ...],
    options: Any,
    added: dict[str, str],
) -> Iterator[dict[str, Any]]:
    waiting: deque[dict[str, Any]] = deque()

    def items() -> Iterator[Item]:
        for record in table.records:
            waiting.append(dict(record.values))
            if isinstance(record, Record):
                name, cell = record.name, record.values.get(inputs[0])
                if model.input_kind.is_file and isinstance(cell, str):
                    name = f"{name}: {printable(cell)}"
                yield Item(name, row_input(model, table, record, inputs))
            else:
                yield Item(record.item, record)

    for result in model.results(items(), options):
        row = waiting.popleft()
        if isinstance(result, Failed):
            yield row | {added[ERROR]: str(result.error)}
            continue
        (values,) = result.table_rows()
        yield row | {added[name]: value for name, value in values.items() if name in added}


def write_table(table: PredictedTable, path: Path) -> Iterator[dict[str, Any]]:
    """Write a table by the suffix of its file, atomically; yields its rows.

    Raises:
        UsageError: the suffix is not one of `WRITTEN`, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"{path}: a table is written as {', '.join(WRITTEN)}.")
    if suffix == ".parquet":
        require("pyarrow", extra="parquet", purpose="to write Parquet files")
        rows = list(table.rows)
        with opened_whole(path) as file:
            _write_parquet(rows, table.columns, file)
        yield from rows
        return
    with opened_whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        try:
            yield from write_lines(table, text, suffix)
        finally:
            text.detach()  # the file is closed by its owner


def write_lines(table: PredictedTable, file: Any, suffix: str) -> Iterator[dict[str, Any]]:
    """Write a table as `.csv`, `.tsv` or `.jsonl` to an open text file; yields its rows."""
    if suffix == ".jsonl":
        for row in table.rows:
            file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
            yield row
        return
    writer = csv.writer(file, delimiter="\t" if suffix == ".tsv" else ",", lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow(_cell(row.get(column)) for column in table.columns)
        yield row


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _write_parquet(rows: Iterable[dict[str, Any]], columns: Sequence[str], file: Any) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = {}
    for column in columns:
        values = [row.get(column) for row in rows]
        try:
            table[column] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # values of several types: as in CSV
            texts = [None if value is None else _cell(value) for value in values]
            table[column] = pa.array(texts, pa.string())
    pq.write_table(pa.table(table), file, compression="zstd")
