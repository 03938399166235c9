"""Files of tables: CSV and Parquet; for JSON lines see `json_lines`."""

from __future__ import annotations

import io
import os
import re
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from warmstart.errors import InputError, MissingPackageError, TooLargeError, require
from warmstart.series import csv_files
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".pq"})
"""Of files of tables; CSV and TSV may also be compressed (`.csv.gz`). JSON lines are read, too, but may
as well hold other inputs."""
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
"""Suffixes of compressed files, and the modules that open them."""
NOT_READ = (".json", ".tsf", ".xml", ".html")
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
_QUOTED = r'(?:\A|([{}\r\n])) *+"[^"]*+(?:""[^"]*+)*+"'
"""A field in quotes behind its separator, to be put into the braces."""


def read(path: str | os.PathLike[str], layout: Layout | None = None) -> pd.DataFrame:
    """A table from a `.csv` (also compressed, also `.tsv`) or `.parquet` file.

    Args:
        path: of the file.
        layout: names the columns of a CSV file whose cells are names, which stay as they are written.

    Raises:
        InputError: there is no such file, or it cannot be read.
        MissingPackageError: it is a Parquet file, and pyarrow is not installed.
    """
    import pandas as pd

    name = os.fspath(path)
    if not Path(name).is_file():
        raise InputError(f"{name}: there is no such file.", name)
    if name.lower().endswith(NOT_READ):
        raise InputError(
            f"{name}: tables are CSV, Parquet and JSON lines (.jsonl); write it as one of these.",
            name,
        )
    if name.lower().endswith(SPREADSHEETS):
        raise InputError(
            f"{name}: spreadsheets are not read; save the sheet as CSV, or in Python call the model "
            "with pandas.read_excel(path).",
            name,
        )
    try:
        if name.lower().endswith((".parquet", ".pq")):
            require("pyarrow", extra="parquet", purpose=f"to read {name}")
            return pd.read_parquet(name)
        return csv_files.read(partial(_opened, name), name, layout or Layout())
    except (InputError, MissingPackageError):
        raise
    except (
        OSError,
        EOFError,
        ValueError,  # pandas' own errors and those of encodings
    ) as error:
        raise InputError(
            f"{name}: it cannot be read as a table: {str(error).splitlines()[0]}", name
        ) from error


def _opened(name: str) -> BinaryIO:
    """The bytes of a file, uncompressed."""
    module = COMPRESSED.get(Path(name).suffix.lower())
    return cast(BinaryIO, import_module(module or "io").open(name, "rb"))


def parse_csv(data: bytes, max_values: int, max_columns: int) -> pd.DataFrame:
    """A table from the bytes of a CSV file. Columns and values are counted before anything is
    parsed.

    Raises:
        InputError: it is not CSV, or has no rows.
        TooLargeError: it has more than `max_values` values or `max_columns` columns.
    """
    shape = csv_files.shape_of(io.BytesIO(data), "The table")
    _check_lines(data, shape.delimiter, max_values, max_columns)
    table = csv_files.read(partial(io.BytesIO, data), "The table", Layout())
    if table.empty:
        raise InputError("The table has no rows.")
    return table


def _check_lines(data: bytes, separator: str, max_values: int, max_columns: int) -> None:
    """Refuse a CSV file by its separators and lines; those inside quotes do not count."""
    data = data.strip()
    if b'"' in data:
        data = re.sub(_QUOTED.format(separator).encode(), rb"\1", data)
    lines = data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") + 1
    if (cells := data.count(separator.encode()) + lines) > 2 * max_values + max_columns:
        raise TooLargeError(f"The table has {cells:,} values; {max_values:,} at most.")
    check_size(1, lines - 1, max_values, max_columns)
    if separator.encode() not in data:
        return
    characters = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((characters == ord("\n")) | (characters == ord("\r")))
    separators = np.flatnonzero(characters == ord(separator))
    counts = np.diff(np.searchsorted(separators, ends), prepend=0, append=len(separators))
    check_size(1 + int(counts.max()), lines - 1, max_values, max_columns)


def check_size(columns: int, rows: int, max_values: int, max_columns: int) -> None:
    """Refuse a table before it is built.

    Raises:
        TooLargeError: it has more than `max_values` values or `max_columns` columns.
    """
    if columns > max_columns:
        raise TooLargeError(f"The table has {columns:,} columns; {max_columns:,} at most.")
    if (values := columns * rows) > max_values:
        raise TooLargeError(f"The table has {values:,} values; {max_values:,} at most.")
