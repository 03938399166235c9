"""Files of tables: CSV and Parquet."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError, MissingPackageError, TooLargeError, require

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".pq"})
"""Of files of tables; CSV and TSV may also be compressed (`.csv.gz`)."""
SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods")
_QUOTED = r'(?:\A|([{}\r\n])) *+"[^"]*+(?:""[^"]*+)*+"'
"""A field in quotes behind its separator, to be put into the braces."""


def read(path: str | os.PathLike[str]) -> pd.DataFrame:
    """A table from a `.csv` (also compressed, also `.tsv`) or `.parquet` file.

    Raises:
        InputError: there is no such file, or it cannot be read.
        MissingPackageError: it is a Parquet file, and pyarrow is not installed.
    """
    import pandas as pd

    name = os.fspath(path)
    if not Path(name).is_file():
        raise InputError(f"{name}: there is no such file.", name)
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
        separator = "\t" if ".tsv" in name.lower() else ","
        table: pd.DataFrame = pd.read_csv(name, sep=separator, skipinitialspace=True)
        if table.shape[1] == 1 and ";" in str(table.columns[0]):
            # Where a semicolon separates cells, a comma or a point may be the decimal sign.
            text = pd.read_csv(name, sep=";", skipinitialspace=True, dtype=str)
            table = text.apply(_integers)
        return table
    except MissingPackageError:
        raise
    except (
        OSError,
        ValueError,
    ) as error:  # pandas' own errors are ValueErrors, and so are those of encodings
        raise InputError(
            f"{name}: it cannot be read as a table: {str(error).splitlines()[0]}", name
        ) from error


def parse_csv(data: bytes, max_values: int, max_columns: int) -> pd.DataFrame:
    """A table from the bytes of a CSV file; the separator is the most frequent of comma, semicolon
    and tab. Columns and values are counted before anything is parsed.

    Raises:
        InputError: it is not CSV.
        TooLargeError: it has more than `max_values` values or `max_columns` columns.
    """
    separator = max(",;\t", key=data.lstrip()[:4096].split(b"\n", 1)[0].decode("latin-1").count)
    _check_lines(data, separator, max_values, max_columns)
    import pandas as pd

    options: Any = {"dtype": str} if separator == ";" else {}
    try:
        table: pd.DataFrame = pd.read_csv(
            io.BytesIO(data), sep=separator, skipinitialspace=True, **options
        )
    except (ValueError, OverflowError) as error:  # see `read`
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"The table cannot be read as CSV: {reason}") from None
    return table.apply(_integers) if separator == ";" else table


def _check_lines(data: bytes, separator: str, max_values: int, max_columns: int) -> None:
    """Refuse a CSV file by its separators and lines; those inside of quotes do not count."""
    data = data.strip()
    if b'"' in data:
        data = re.sub(_QUOTED.format(separator).encode(), rb"\1", data)
    lines = data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n") + 1
    if (cells := data.count(separator.encode()) + lines) > 2 * max_values + max_columns:
        raise TooLargeError(f"The table has {cells:,} values; {max_values:,} at most.")
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


def _integers(column: pd.Series) -> pd.Series:
    """A column of text as integers, where all of it is."""
    import pandas as pd

    is_whole = bool(column.str.fullmatch(r"-?\d{1,18}").eq(True).all())
    return pd.to_numeric(column) if is_whole and len(column) else column
