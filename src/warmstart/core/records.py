"""Tables of paths and labels: CSV, TSV, JSONL, Parquet.

A row names a photo (relative to the table's folder, or absolute, or a URL) and what is on it:

    path,label                 one label:       cat.jpg,cat
    path,labels                several:         zoo.jpg,cat|dog     (also ";", or a list in JSONL and Parquet)
    path,cat,dog,bird          one column each: zoo.jpg,1,1,0
    …,split                    optional: train, validation or test
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from warmstart.errors import UsageError, require

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
PATHS = ("path", "file", "file_name", "filename", "image", "image_path", "photo", "filepath", "file_path")
LABELS = ("label", "labels", "class", "classes", "category", "target", "tags")
PART = ("split", "part", "subset", "set")
SEVERAL = ("labels", "classes", "tags")  # columns that hold several labels even where each row has one
TRUE, FALSE = {"1", "1.0", "True", "true"}, {"0", "0.0", "False", "false"}
_BETWEEN = re.compile(r"\s*[|;]\s*")

Row = dict[str, Any]


def read_table(path: Path, path_column: str | None = None, label_column: str | None = None
               ) -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """(photo, label or labels, part or None) of every row.

    Raises:
        UsageError: it cannot be read, or has no column of paths or of labels.
    """
    columns, rows = _rows(path)
    where = _column(columns, path_column, PATHS)
    if where is None:
        raise UsageError(f"{path} has no column of paths; name it with path_column (there are: {', '.join(columns)}).")
    part = _column(columns, None, PART)
    what = _column(columns, label_column, LABELS)
    flags = [name for name in columns if name not in (where, part)] if what is None else []
    if what is None and not _are_flags(rows, flags):
        raise UsageError(f"{path} has no column of labels, and its other columns are not all 0 and 1; name it with "
                         f"label_column (there are: {', '.join(columns)}).")
    several = what is not None and (what.lower() in SEVERAL or any(_is_several(row.get(what)) for row in rows))
    for row in rows:
        if _missing(row.get(where)):
            raise UsageError(f"{path} has a row without a path.")
        photo = str(row[where])
        if "://" not in photo:
            photo = str(path.parent / Path(photo).expanduser())
        if what is None:
            label: str | tuple[str, ...] = tuple(name for name in flags if str(row.get(name)) in TRUE)
        else:
            label = _labels(row.get(what)) if several else str(row.get(what)).strip()
            if not several and _missing(row.get(what)):
                raise UsageError(f"{path} has no label for {photo}.")
        yield photo, label, None if part is None or _missing(row.get(part)) else str(row[part])


def _rows(path: Path) -> tuple[list[str], list[Row]]:
    """The names of the columns, and the rows by name; CSV cells are strings."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path} is not a table: {', '.join(SUFFIXES)}, or a folder of class folders.")
    if suffix == ".parquet":
        require("pyarrow", extra="parquet", purpose=f"to read {path}")
        import pyarrow
        import pyarrow.parquet

        try:
            table = pyarrow.parquet.read_table(path)
        except (OSError, pyarrow.ArrowException) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        return list(table.column_names), table.to_pylist()
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            if suffix == ".jsonl":
                rows = [_json_row(line, number) for number, line in enumerate(file, 1) if line.strip()]
                return list(dict.fromkeys(name for row in rows for name in row)), rows
            reader = csv.DictReader(file, delimiter="\t" if suffix == ".tsv" else ",", restval="", strict=True)
            rows = list(reader)
            if any(None in row for row in rows):
                raise ValueError("a row has more cells than the header")
            return list(reader.fieldnames or ()), rows
    except (OSError, ValueError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error


def _json_row(line: str, number: int) -> Row:
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not a JSON object")
    return row


def _column(columns: Sequence[str], named: str | None, usual: Sequence[str]) -> str | None:
    if named is not None:
        if named not in columns:
            raise UsageError(f"There is no column {named!r}; there are: {', '.join(columns)}.")
        return named
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in usual if name in lower), None)


def _are_flags(rows: Sequence[Row], columns: Sequence[str]) -> bool:
    return len(columns) > 0 and all(str(row.get(name)) in TRUE | FALSE for row in rows for name in columns)


def _is_several(value: Any) -> bool:
    return isinstance(value, list | tuple) or hasattr(value, "tolist") or bool(_BETWEEN.search(str(value)))


def _labels(value: Any) -> tuple[str, ...]:
    if hasattr(value, "tolist"):  # an array, as Parquet gives it
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return () if _missing(value) else tuple(name for name in _BETWEEN.split(str(value).strip()) if name)


def _missing(value: Any) -> bool:
    return value is None or value != value or str(value).strip() == ""  # NaN is not itself
