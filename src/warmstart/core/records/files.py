"""Files of labelled data: CSV, TSV, JSON lines, JSON, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from warmstart.core.reading import check_exists
from warmstart.core.records import delimited
from warmstart.core.records.columns import Field, unique_columns
from warmstart.core.records.encodings import file_lines
from warmstart.core.records.json_lines import json_lines, parsed
from warmstart.core.records.parquet import open_parquet
from warmstart.core.records.record import Record
from warmstart.core.records.suffixes import (
    DELIMITED,
    FROM_SPREADSHEET,
    PARQUET,
    SPREADSHEETS,
    SUFFIXES,
)
from warmstart.core.records.table import Table, table_of_mappings
from warmstart.errors import RecordError, UsageError

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
TEXTS = ("", ".txt", ".tab", ".dat", ".data")
"""Suffixes that files of text have, too."""
LARGEST_JSON = 256 * 2**20
"""Characters of a JSON file, which is read as a whole."""
FLOAT32 = ("float32", "Float32", "float")
"""In pandas, polars and Arrow."""


def read_file(
    path: Path,
    layouts: Sequence[Sequence[Field]],
    usual_names: frozenset[str],
    named: Sequence[str],
    encoding: str | None,
    delimiter: str | None,
) -> Table:
    """The table in a file.

    Args:
        path: with a suffix of `SUFFIXES`.
        layouts: what the columns of a CSV or TSV file without a header may be.
        usual_names: by which a header is recognised.
        named: columns that the caller names.
        encoding, delimiter: if they are known.

    Raises:
        UsageError: the file cannot be opened, holds no records, or can be read in two ways.
        RecordError: no record of it can be read.
    """
    check_exists(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path} is not a file of labelled data ({', '.join(SUFFIXES)}){_conversion(path)}."
        )
    try:
        if suffix in PARQUET:
            return _parquet(path)
        lines = file_lines(path, encoding)
        first = next(lines, None)  # opens the file
        if first is None:
            raise UsageError(f"{path} is empty.")
        lines = chain([first], lines)
        if suffix in DELIMITED:
            return delimited.read(lines, path, layouts, usual_names, named, delimiter)
        if suffix == ".json":
            return _json(lines, path)
        return _of_json_lines(lines, path, layouts)
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error


def _conversion(path: Path) -> str:
    """How a file of another type becomes one of `SUFFIXES`."""
    suffix = path.suffix.lower()
    if suffix in PACKED:
        return "; unpack it first"
    if suffix in SPREADSHEETS:
        return FROM_SPREADSHEET
    if suffix in TEXTS:
        return (
            f"; if it is a table, rename it to {path.stem}.tsv and separate its columns by tabs, not "
            "spaces"
        )
    return ""


def _of_json_lines(lines: Iterator[str], path: Path, layouts: Sequence[Sequence[Field]]) -> Table:
    """The table of objects, or of lists, whose elements are the fields of the layout of their length."""
    values = json_lines(lines, str(path))
    first = list(islice(values, 1))
    length = next((len(value) for _, value in first if isinstance(value, list)), 0)
    layout = next((candidate for candidate in layouts if len(candidate) == length), ())
    columns = tuple(field.name for field in layout)
    records = (_as_record(value, where, columns) for where, value in chain(first, values))
    if not columns:
        return table_of_mappings(str(path), records, folder=path.parent)
    return Table(str(path), columns, records, path.parent, positional=True)


def _as_record(value: Any, name: str, columns: Sequence[str] = ()) -> Record | RecordError:
    if isinstance(value, RecordError):
        return value
    if columns:
        if not isinstance(value, list) or len(value) != len(columns):
            return RecordError(
                f"{name}: is not a list of {len(columns)}: {', '.join(columns)}", name
            )
        return Record(name, dict(zip(columns, value, strict=True)))
    if not isinstance(value, dict):
        return RecordError(f"{name}: is not a JSON object", name)
    return Record(name, value)


def _json(lines: Iterator[str], path: Path) -> Table:
    """A list of objects, also as the only value of an object, such as `{"data": […]}`; an object with
    a list for each column; or JSON lines, which many files of this name hold.
    """
    text: list[str] = []
    size = 0
    for line in lines:
        text.append(line)
        size += len(line)
        if size > LARGEST_JSON:
            raise UsageError(
                f"{path} has more than {LARGEST_JSON:,} characters; save it as JSON lines (.jsonl)."
            )
    try:
        content = parsed("".join(text))
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":
            return _of_json_lines(iter(text), path, ())
        raise RecordError(f"{path}: is not JSON ({error})", str(path)) from error
    if isinstance(content, dict) and (columns := _columns_of(content)) is not None:
        return table_of_columns(str(path), columns, folder=path.parent)
    if isinstance(content, dict) and len(content) == 1:
        (inner,) = content.values()
        content = inner if isinstance(inner, list) else content
    if not isinstance(content, list):
        keys = (
            f" with the keys {', '.join(map(repr, [*content][:5]))}"
            if isinstance(content, dict)
            else ""
        )
        raise UsageError(
            f"{path} must be a list of JSON objects, one for each record, or an object with "
            f"a list for each column, not {_json_type(content)}{keys}."
        )
    rows = (_as_record(value, f"{path}: row {number}") for number, value in enumerate(content, 1))
    return table_of_mappings(str(path), rows, folder=path.parent)


def _columns_of(content: Mapping[str, Any]) -> Mapping[str, Sequence[Any]] | None:
    """The columns of `{"text": […], "label": […]}`, or of pandas' `{"text": {"0": …}, …}`; None
    if the values are not two or more lists or mappings of cells.
    """
    if len(content) < 2:
        return None
    values = list(content.values())
    if all(isinstance(value, dict) for value in values):
        rows = list(values[0])
        if not all(list(value) == rows for value in values):
            return None
        return {key: list(value.values()) for key, value in content.items()}
    # Lists of objects are several tables, such as "train" and "test".
    if all(isinstance(value, list) and not _holds_objects(value) for value in values):
        return content
    return None


def _holds_objects(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _json_type(value: Any) -> str:
    return "an object" if isinstance(value, dict) else f"the value {value!r:.30}"


def _parquet(path: Path) -> Table:
    if not path.stat().st_size:
        raise UsageError(f"{path} is empty.")
    file = open_parquet(path, str(path))
    import pyarrow

    def rows() -> Iterator[tuple[Any, ...]]:
        number = 0
        try:
            for row in rows_of_batches(file.iter_batches(batch_size=1024)):
                number += 1
                yield row
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise RecordError(
                f"{path}: cannot be read after row {number} ({error})", str(path)
            ) from error

    schema = file.schema_arrow
    return table_of_rows(
        str(path), schema.names, rows(), schema.types, metadata=schema.metadata, folder=path.parent
    )


def rows_of_batches(batches: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of batches of Arrow."""
    for batch in batches:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def table_of_rows(
    name: str,
    column_names: Sequence[str],
    rows: Iterable[Sequence[Any]],
    types: Iterable[Any] = (),
    *,
    metadata: Mapping[bytes, bytes] | None = None,
    folder: Path | None = None,
) -> Table:
    """A table of rows with a cell for each column.

    Args:
        name: of the table, for messages.
        column_names: as they are written.
        rows: read once.
        types: of the columns, in pandas, polars or Arrow.
        metadata: of a schema of Arrow.
        folder: of a file.

    Raises:
        UsageError: there are no rows, or two columns have the same name.
    """
    columns = unique_columns(column_names, name)
    rows = iter(rows)
    first = list(islice(rows, 1))
    if not first:
        raise UsageError(f"There are no rows in {name}.")
    prefix = "" if folder is None else f"{name}: "
    records = (
        Record(f"{prefix}row {number}", dict(zip(columns, row, strict=True)))
        for number, row in enumerate(chain(first, rows), 1)
    )
    single = frozenset(c for c, dtype in zip(columns, types, strict=False) if str(dtype) in FLOAT32)
    return Table(name, columns, records, folder, _class_names(metadata), single_precision=single)


def table_of_columns(
    name: str, columns: Mapping[Any, Sequence[Any]], folder: Path | None = None
) -> Table:
    """A table of columns by name; arguments as for `table_of_rows`.

    Raises:
        UsageError: there are no rows, or the columns have different lengths.
    """
    lengths = {key: len(cells) for key, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{key} {count:,}" for key, count in lengths.items())
        raise UsageError(f"{name}: the columns have different lengths: {counts}.")
    rows = zip(*columns.values(), strict=True)
    return table_of_rows(name, list(map(str, columns)), rows, folder=folder)


def _class_names(metadata: Mapping[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """Column -> the class names that `datasets` writes into the metadata of a schema."""
    try:
        content = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        return names_of_features(content["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def names_of_features(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Column -> the class names in the features of a data set; `objects.category` is the key
    `category` of the mappings in the column `objects`.
    """
    names: dict[str, tuple[str, ...]] = {}
    for column, feature in features.items():
        nested = {f"{column}.{key}": value for key, value in _keys(feature).items()}
        for key, value in {column: feature, **nested}.items():
            if class_names := _feature_names(value):
                names[key] = tuple(class_names)
    return names


def _keys(feature: Any) -> Mapping[str, Any]:
    """The features of a column of mappings, or of lists of mappings, by key."""
    inner = _part(feature, "feature") or feature
    return inner if isinstance(inner, Mapping) and "_type" not in inner else {}


def _feature_names(feature: Any) -> Sequence[str] | None:
    """The class names of a feature, or of the elements of a sequence; as an object or as JSON."""
    names = _part(feature, "names") or _part(_part(feature, "feature"), "names")
    return tuple(map(str, names)) if names else None


def _part(feature: Any, key: str) -> Any:
    return feature.get(key) if isinstance(feature, Mapping) else getattr(feature, key, None)
