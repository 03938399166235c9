"""Labelled data in memory: tables of pandas, polars and Arrow, datasets, mappings and tuples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from warmstart.core.records.columns import TOKENS, Field
from warmstart.core.records.files import (
    names_of_features,
    rows_of_batches,
    table_of_columns,
    table_of_rows,
)
from warmstart.core.records.record import Record
from warmstart.core.records.table import Table, table_of_mappings
from warmstart.errors import RecordError, UsageError

NAME = "the data"


def read_object(data: Any, fields: Sequence[Field], example_rank: int = 0) -> Table:
    """The table in an object; libraries are recognised by what the object can do, and not imported.

    Args:
        data: a table of pandas, polars or pyarrow, a `datasets.Dataset`, a `tf.data.Dataset`, a
            mapping of columns, or an iterable of mappings or tuples.
        fields: what the elements of a tuple are.
        example_rank: the rank of the first element of an example, by which a batched
            `tf.data.Dataset` is recognised.

    Raises:
        UsageError: this holds no records.
        RecordError: the first records are neither mappings nor tuples.
    """
    if hasattr(data, "as_numpy_iterator"):
        return _of_tf(data, fields, example_rank)
    if hasattr(data, "itertuples") and hasattr(data, "columns"):  # pandas
        rows = data.itertuples(index=False, name=None)
        return table_of_rows(NAME, list(map(str, data.columns)), rows, data.dtypes)
    if hasattr(data, "iter_rows") and hasattr(data, "columns"):  # polars
        return table_of_rows(NAME, data.columns, data.iter_rows(), data.dtypes)
    if hasattr(data, "to_pylist") and hasattr(data, "schema"):  # a table or batch of pyarrow
        schema = data.schema
        batches = data.to_batches(max_chunksize=1024) if hasattr(data, "to_batches") else [data]
        rows = rows_of_batches(batches)
        return table_of_rows(NAME, schema.names, rows, schema.types, metadata=schema.metadata)
    if hasattr(data, "collect") and hasattr(type(data), "schema"):
        raise UsageError(
            f"Cannot read an object of type {type(data).__name__} before it is computed; "
            "pass the result of .collect()."
        )
    if isinstance(data, Mapping):
        return _of_columns(data)
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise UsageError(
            f"Cannot read labelled data from an object of type {type(data).__name__}; pass "
            "the path of a file, a table, or a list of "
            f"({', '.join(field.name for field in fields)}) pairs."
        )
    if _are_columns(data, len(fields)):
        mapping = ", ".join(f"{field.name!r}: […]" for field in fields)
        raise UsageError(
            f"{NAME.capitalize()} may be {len(fields)} records, or a list of each of "
            f"{', '.join(field.name for field in fields)}; give a list of tuples, list(zip(x, y)), or a "
            f"mapping {{{mapping}}}."
        )
    features = getattr(data, "features", None) or {}  # of a datasets.Dataset
    return _of_iterable(data, fields, names_of_features(features))


def _are_columns(data: Any, count: int) -> bool:
    """Whether this may be a list for each of `count` fields: of texts, and of labels."""
    if not isinstance(data, list | tuple) or len(data) != count or count < 2:
        return False
    return all(
        len(getattr(row, "shape", ())) == 1
        or (isinstance(row, list) and all(isinstance(cell, str | int | float) for cell in row))
        for row in data
    )


def _of_columns(data: Mapping[Any, Any]) -> Table:
    for name, column in data.items():
        if (
            isinstance(column, str | bytes | Mapping)
            or not hasattr(column, "__len__")
            or hasattr(column, "features")
        ):
            raise UsageError(
                "A mapping is a table with a list of cells for each column, but "
                f"{name!r} is an object of type {type(column).__name__}; of several datasets in a mapping, pass one."
            )
    return table_of_columns(NAME, data)


def _of_iterable(
    data: Iterable[Any], fields: Sequence[Field], class_names: Mapping[str, Sequence[str]]
) -> Table:
    rows = iter(data)
    first = next(rows, None)
    if first is None:
        raise UsageError(f"There are no records in {NAME}.")
    named = ((f"row {number}", row) for number, row in enumerate(chain([first], rows), 1))
    if isinstance(first, Mapping):
        return table_of_mappings(
            NAME, (_of_mapping(name, row) for name, row in named), class_names=class_names
        )
    columns = tuple(field.name for field in fields)
    if isinstance(data, tuple) and all(isinstance(part, list) for part in data):
        lengths = {len(part) for part in data}
        if len(data) == len(columns) and len(lengths) == 1 and len(columns) not in lengths:
            raise UsageError(
                f"The data is a tuple of {len(data)} lists; give list(zip(x, y)), which is a list of "
                f"({', '.join(columns)}) pairs."
            )
    return Table(
        NAME, columns, (_of_tuple(name, row, columns) for name, row in named), positional=True
    )


def _of_mapping(name: str, row: Any) -> Record | RecordError:
    if not isinstance(row, Mapping):
        return RecordError(f"{name}: is not a mapping, as the first row is", name)
    return Record(name, {str(column): value for column, value in row.items()})


def _of_tuple(name: str, row: Any, columns: tuple[str, ...]) -> Record | RecordError:
    if len(getattr(row, "shape", ())) == 1 and hasattr(row, "tolist"):  # a row of an array
        row = row.tolist()
    if not isinstance(row, tuple | list) or len(row) != len(columns):
        what = {2: "pair", 3: "triple"}.get(len(columns), "tuple")
        return RecordError(f"{name}: is not a ({', '.join(columns)}) {what}", name)
    return Record(name, dict(zip(columns, row, strict=True)))


def _of_tf(dataset: Any, fields: Sequence[Field], example_rank: int) -> Table:
    if int(dataset.cardinality()) == -1:
        raise UsageError("The tf.data.Dataset never ends; pass it without repeat().")
    spec = dataset.element_spec
    columns = tuple(field.name for field in fields)
    if isinstance(spec, Mapping):
        specs = list(spec.values())
    elif isinstance(spec, tuple) and len(spec) == len(columns):
        specs = list(spec)
    else:
        raise UsageError(
            f"The tf.data.Dataset must have elements ({', '.join(columns)}), or mappings."
        )
    ranks = [_rank(spec) for spec in specs]
    string_rank = 1 if fields[0] is TOKENS else 0
    # Keys of mappings are in alphabetical order, so the first field may be any of them.
    candidates = specs[:1] if isinstance(spec, tuple) else specs
    batched = [
        _rank(candidate) == (string_rank if _is_string(candidate) else example_rank) + 1
        for candidate in candidates
    ]
    if any(batched) and all(rank is None or rank > 0 for rank in ranks):
        dataset = dataset.unbatch()
    elements = (_plain(element) for element in dataset.as_numpy_iterator())
    names = getattr(dataset, "class_names", None)
    table = _of_iterable(elements, fields, {})
    if names:
        table.class_names = {columns[-1]: tuple(map(str, names))}
    return table


def _rank(spec: Any) -> int | None:
    rank = getattr(getattr(spec, "shape", None), "rank", None)
    return None if rank is None else int(rank)


def _is_string(spec: Any) -> bool:
    return getattr(getattr(spec, "dtype", None), "name", "") == "string"


def _plain(value: Any) -> Any:
    """An element of a `tf.data.Dataset` with strings in place of bytes."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    if getattr(getattr(value, "dtype", None), "kind", "") == "O":
        return [_plain(inner) for inner in value.tolist()]
    return value
