"""Files of labelled data: CSV, TSV, JSON lines, JSON, Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from warmstart.core.records import delimited
from warmstart.core.records.columns import Field, unique_columns
from warmstart.core.records.encodings import file_lines
from warmstart.core.records.record import Record
from warmstart.core.records.suffixes import SUFFIXES
from warmstart.core.records.table import Table, table_of_mappings
from warmstart.errors import RecordError, UsageError, require

PACKED = (".gz", ".bz2", ".xz", ".zip", ".zst")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
TEXTS = ("", ".txt", ".tab", ".dat", ".data")
"""Suffixes that files of text have, too."""
LARGEST_JSON = 256 * 2**20
"""Characters of a JSON file, which is read as a whole."""


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
        encoding, delimiter: where they are known.

    Raises:
        UsageError: the file cannot be opened, holds no records, or can be read in two ways.
        RecordError: no record of it can be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{path} is not a file of labelled data ({', '.join(SUFFIXES)}){_conversion(path)}."
        )
    try:
        if suffix in (".parquet", ".pq"):
            return _parquet(path)
        lines = file_lines(path, encoding)
        first = next(lines, None)  # opens the file
        if first is None:
            raise UsageError(f"{path} is empty.")
        lines = chain([first], lines)
        if suffix in (".csv", ".tsv"):
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
        return "; save the sheet as CSV, or pass pandas.read_excel(path)"
    if suffix in TEXTS:
        return (
            f"; if it is a table, rename it to {path.stem}.tsv and separate its columns by tabs, not "
            "spaces"
        )
    return ""


def _of_json_lines(lines: Iterator[str], path: Path, layouts: Sequence[Sequence[Field]]) -> Table:
    """The table of objects, or of lists, whose elements are the fields of the layout of their length."""
    blank = list[str]()
    first = ""
    for first in lines:
        if first.strip():
            break
        blank.append(first)
    lines = chain(blank, [first], lines)
    elements = _parsed_list(first)
    layout = next((one for one in layouts if elements and len(one) == len(elements)), None)
    if layout is None:
        return table_of_mappings(str(path), _json_lines(lines, str(path)), folder=path.parent)
    columns = tuple(field.name for field in layout)
    records = _json_lines(lines, str(path), columns)
    return Table(str(path), columns, records, path.parent, positional=True)


def _parsed_list(line: str) -> list[Any] | None:
    """The list that a line is; None where it is none."""
    try:
        value = _parsed(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) else None


def _json_lines(
    lines: Iterator[str], name: str, columns: Sequence[str] = ()
) -> Iterator[Record | RecordError]:
    """The records of lines that are objects; with `columns`, lists of their cells."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _json_record(line, f"{name}:{number}", columns)


def _json_record(line: str, name: str, columns: Sequence[str]) -> Record | RecordError:
    try:
        value = _parsed(line)
    except (ValueError, RecursionError) as error:
        return RecordError(f"{name}: is not JSON ({error})", name)
    return _as_record(value, name, columns)


def _as_record(value: Any, name: str, columns: Sequence[str] = ()) -> Record | RecordError:
    if columns:
        if not isinstance(value, list) or len(value) != len(columns):
            return RecordError(
                f"{name}: is not a list of {len(columns)}: {', '.join(columns)}", name
            )
        return Record(name, dict(zip(columns, value, strict=True)))
    if not isinstance(value, dict):
        return RecordError(f"{name}: is not a JSON object", name)
    return Record(name, value)


def _parsed(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique_keys)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(
            f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice"
        )
    return value


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
        content = _parsed("".join(text))
    except (ValueError, RecursionError) as error:
        if getattr(error, "msg", "") == "Extra data":
            return table_of_mappings(
                str(path), _json_lines(iter(text), str(path)), folder=path.parent
            )
        raise RecordError(f"{path}: is not JSON ({error})", str(path)) from error
    if isinstance(content, dict) and (columns := _columns_of(content)) is not None:
        lengths = {key: len(cells) for key, cells in columns.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{key} {count:,}" for key, count in lengths.items())
            raise UsageError(f"{path}: the columns have different lengths: {counts}.")
        content = [
            dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
    elif isinstance(content, dict) and len(content) == 1:
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
    where the values are not two or more lists or mappings of cells.
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
    require("pyarrow", extra="parquet", purpose=f"to read {path}")
    import pyarrow
    import pyarrow.parquet

    if not path.stat().st_size:
        raise UsageError(f"{path} is empty.")
    try:
        file = pyarrow.parquet.ParquetFile(path)
        schema = file.schema_arrow
        columns = unique_columns(schema.names, str(path))
        count = file.metadata.num_rows
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not a Parquet file, or is damaged: {error}") from error
    if not count:
        raise UsageError(f"{path} has no rows.")

    def records() -> Iterator[Record]:
        number = 0
        try:
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield Record(
                        f"{path}: row {number}", dict(zip(columns, row.values(), strict=True))
                    )
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            raise RecordError(
                f"{path}: cannot be read after row {number} ({error})", str(path)
            ) from error

    return Table(
        str(path),
        columns,
        records(),
        path.parent,
        class_names_of(schema.metadata),
        single_precision=single_precision(dict(zip(columns, schema.types, strict=True))),
    )


def class_names_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, tuple[str, ...]]:
    """By column: the class names that `datasets` writes into the metadata of a schema."""
    try:
        content = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        return names_of_features(content["info"]["features"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def names_of_features(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """By column: the class names of the features of a data set; `objects.category` is the key
    `category` of the mappings in the column `objects`.
    """
    names: dict[str, tuple[str, ...]] = {}
    for column, feature in features.items():
        inner = {column: feature} | {f"{column}.{key}": one for key, one in _keys(feature).items()}
        names |= {key: tuple(some) for key, one in inner.items() if (some := feature_names(one))}
    return names


def _keys(feature: Any) -> Mapping[str, Any]:
    """The features of a column of mappings, or of lists of mappings, by key."""
    is_mapping = isinstance(feature, Mapping)
    inner = feature.get("feature", feature) if is_mapping else getattr(feature, "feature", None)
    return inner if isinstance(inner, Mapping) and "_type" not in inner else {}


def feature_names(feature: Any) -> Sequence[str] | None:
    """The class names of a feature, or of the elements of a sequence; as an object or as JSON."""
    for _ in range(2):
        names = (
            feature.get("names")
            if isinstance(feature, Mapping)
            else getattr(feature, "names", None)
        )
        if names:
            return tuple(map(str, names))
        feature = (
            feature.get("feature")
            if isinstance(feature, Mapping)
            else getattr(feature, "feature", None)
        )
    return None


def single_precision(types: Mapping[str, Any]) -> frozenset[str]:
    """The columns of float32, by their types in pandas, polars or Arrow."""
    return frozenset(
        column for column, one in types.items() if str(one) in ("float32", "Float32", "float")
    )
