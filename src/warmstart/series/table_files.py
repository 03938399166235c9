"""Files of tables: CSV, Parquet and JSON lines."""

from __future__ import annotations

import csv
import io
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from io import IOBase
from lzma import LZMAError
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from warmstart.core.reading import input_name, opened, scheme
from warmstart.core.records.encodings import decoded_lines, file_lines
from warmstart.core.records.json_lines import json_lines
from warmstart.core.records.parquet import open_parquet
from warmstart.core.records.suffixes import (
    DELIMITED,
    FROM_SPREADSHEET,
    JSON_LINES,
    PARQUET,
    SPREADSHEETS,
)
from warmstart.errors import (
    InputError,
    MissingPackageError,
    RecordError,
    TooLargeError,
    UsageError,
    documented_in,
)
from warmstart.series import csv_files
from warmstart.series.arrow_tables import to_pandas
from warmstart.series.first_lines import detect_format
from warmstart.series.json_series import is_series
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = frozenset({*DELIMITED, *PARQUET})
"""Suffixes of tables; CSV and TSV may also be compressed (`.csv.gz`). JSON lines are read, too, but
may also hold other inputs."""
COMPRESSED = {".gz": "gzip", ".bz2": "bz2", ".xz": "lzma"}
"""Suffixes of compressed files, and the modules that open them."""
PARQUET_MARK = b"PAR1"
HEAD = 64
"""Bytes of an open file in which JSON begins."""
NOT_READ = (".json", ".tsf", ".xml", ".html")
_QUOTED = r'(?:\A|([{}\r\n])) *+"[^"]*+(?:""[^"]*+)*+"'
"""A quoted field after its separator, which is inserted into the braces."""


def name_of(source: str | os.PathLike[str] | IOBase) -> str:
    """The name of a file, for messages."""
    return input_name(source) or "the table"


@documented_in("forecasting.md#inputs")
def read(
    source: str | os.PathLike[str] | IOBase, layout: Layout | None = None
) -> pd.DataFrame | list[tuple[str, Any]]:
    """The table in a `.csv` (also compressed, also `.tsv`), `.parquet` or `.jsonl` file; of JSON lines
    that are series, the records with their names, `FILE:LINE`. In an open file the first bytes tell
    Parquet, JSON lines and CSV apart.

    Args:
        source: the path, or an open binary file.
        layout: names the columns of a CSV file whose cells are names, which stay as they are written.

    Raises:
        InputError: there is no such file, or it cannot be read.
        MissingPackageError: it is a Parquet file, and pyarrow is not installed.
    """
    if isinstance(source, IOBase):
        return _read_content(source, layout or Layout())
    name = os.fspath(source)
    suffix = Path(name).suffix.lower()
    if scheme(name) is not None:
        raise InputError(
            f"{name}: tables are not read from URLs; download it, or pass pandas.read_csv(url).",
            name,
        )
    if not Path(name).is_file():
        raise InputError(f"{name}: there is no such file.", name)
    if suffix in SPREADSHEETS:
        raise InputError(f"{name}: spreadsheets are not read{FROM_SPREADSHEET}.", name)
    if suffix in NOT_READ:
        raise InputError(
            f"{name}: tables are CSV, Parquet and JSON lines (.jsonl); write it as one of these.",
            name,
        )
    with _input_errors(name):
        if suffix in PARQUET:
            table: pd.DataFrame = to_pandas(open_parquet(Path(name), name).read())
            return table
        if suffix in JSON_LINES:
            return _json_lines(file_lines(Path(name)), name)
        return _csv(partial(_opened, name), name, layout or Layout())


def _read_content(source: IOBase, layout: Layout) -> pd.DataFrame | list[tuple[str, Any]]:
    name = name_of(source)
    with opened(source, name) as file:
        data = file.read()
    with _input_errors(name):
        if data.startswith(PARQUET_MARK):
            table: pd.DataFrame = to_pandas(open_parquet(io.BytesIO(data), name).read())
            return table
        if data[:HEAD].lstrip().startswith((b"{", b"[")):
            return _json_lines(decoded_lines(io.BytesIO(data), name), name)
        return _csv(partial(io.BytesIO, data), name, layout)


def _csv(open_file: Callable[[], BinaryIO], name: str, layout: Layout) -> pd.DataFrame:
    with open_file() as file:
        csv_format = detect_format(file, name)
    return csv_files.read(open_file, csv_format, name, layout)


@contextmanager
def _input_errors(name: str) -> Iterator[None]:
    """Turn errors of reading a file into an `InputError`; a missing package stays as it is."""
    try:
        yield
    except MissingPackageError:
        raise
    except UsageError as error:  # from the readers of `core.records`
        reason = str(error).replace(", or name its encoding with encoding=", "").removesuffix(".")
        raise InputError(f"{reason}.", getattr(error, "item", name)) from error
    except (OSError, EOFError, ValueError, csv.Error, zlib.error, LZMAError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{name}: it cannot be read as a table: {reason}", name) from error


def _opened(name: str) -> BinaryIO:
    """The bytes of a file, uncompressed."""
    module = COMPRESSED.get(Path(name).suffix.lower())
    return cast(BinaryIO, import_module(module or "io").open(name, "rb"))


def _json_lines(lines: Iterable[str], name: str) -> list[tuple[str, Any]] | pd.DataFrame:
    import pandas as pd

    records: list[tuple[str, Any]] = []
    for where, record in json_lines(lines, name):
        if isinstance(record, RecordError):
            raise record
        records.append((where, record))
    rows = [record for _, record in records]
    if not rows:
        raise InputError(f"{name}: it is empty.", name)
    if is_series(rows[0]):
        return records
    if not all(isinstance(row, dict) for row in rows):
        raise InputError(
            f'{name}: its lines are neither series ({{"target": [numbers], …}}) nor rows of a table '
            '({"timestamp": …, "target": …}).',
            name,
        )
    return pd.DataFrame(rows)


def parse_csv(data: bytes, max_values: int, max_columns: int) -> pd.DataFrame:
    """A table from the bytes of a CSV file. Columns and values are counted before anything is
    parsed.

    Raises:
        InputError: it is not CSV, or has no rows.
        TooLargeError: it has more than `max_values` values or `max_columns` columns.
    """
    with _input_errors("The table"):
        csv_format = detect_format(io.BytesIO(data), "The table")
        _check_lines(data, csv_format.delimiter, max_values, max_columns)
        table = csv_files.read(partial(io.BytesIO, data), csv_format, "The table", Layout())
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
