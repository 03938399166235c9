"""Tables of series: read CSV and Parquet files, and find out which column is what."""

from __future__ import annotations

import io
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError, MissingPackageError, TooLargeError, UsageError, require
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

SUFFIXES = frozenset({".csv", ".tsv", ".parquet", ".pq"})
"""Of files of tables; CSV and TSV may also be compressed (`.csv.gz`)."""
ITEMS = ("item_id", "unique_id", "series_id", "item", "id", "series")
TIMES = ("timestamp", "ds", "date", "datetime", "time", "month", "week", "day", "period")
TARGETS = ("target", "y", "value")
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
    table: pd.DataFrame
    try:
        if name.lower().endswith((".parquet", ".pq")):
            require("pyarrow", extra="parquet", purpose=f"to read {name}")
            return pd.read_parquet(name)
        # Numbers with a decimal comma stay text, and are refused.
        table = pd.read_csv(
            name, sep="\t" if ".tsv" in name.lower() else ",", skipinitialspace=True
        )
        if table.shape[1] == 1 and ";" in str(table.columns[0]):
            table = pd.read_csv(name, sep=";", skipinitialspace=True)
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

    try:
        table: pd.DataFrame = pd.read_csv(io.BytesIO(data), sep=separator, skipinitialspace=True)
    except (ValueError, OverflowError) as error:  # see `read`
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"The table cannot be read as CSV: {reason}") from None
    return table


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


@dataclass(frozen=True)
class Columns:
    """What the columns are: names of series (None in a wide table), timestamps (None without),
    targets.
    """

    item: str | None
    times: pd.DatetimeIndex | None
    targets: list[Any]


def columns(table: pd.DataFrame, layout: Layout, where: str) -> Columns:
    """Find out what is what; what the layout names is taken as named.

    Raises:
        UsageError: a named column is not there, or the target is not clear.
        InputError: the timestamps cannot be read.
    """
    import pandas as pd

    for column in (layout.target, layout.item, layout.timestamp, *layout.known, *layout.static):
        if column is not None and column not in table.columns:
            raise UsageError(f"{where} has no column {column!r}; it has: {_some(table.columns)}.")
    by_name = {str(column).lower(): column for column in table.columns}
    item = layout.item or next(
        (by_name[n] for n in ITEMS if n in by_name and n != layout.target), None
    )
    index = table.index
    timestamp: Any = layout.timestamp
    times: pd.DatetimeIndex | None
    if timestamp is None and isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
    else:
        timestamp = timestamp or _time_column(table, by_name, item)
        times = None if timestamp is None else parse(table[timestamp], str(timestamp), where)
    used = (item, timestamp, *layout.known, *layout.static)
    others = [column for column in table.columns if column not in used]
    if layout.target is not None:
        return Columns(item, times, [layout.target])
    if item is None:
        targets = [c for c in others if not str(c).startswith("Unnamed")]
        if not targets:
            raise UsageError(f"{where} has no column of numbers; it has: {_some(table.columns)}.")
        return Columns(None, times, targets)
    targets = [by_name[n] for n in TARGETS if n in by_name and by_name[n] in others]
    numeric = [c for c in others if table[c].dtype.kind in "iufb"]
    if not targets and len(numeric) != 1:
        raise UsageError(
            f"{where} has {len(numeric)} columns that could be the series ({_some(numeric) or 'none'}); "
            "name one as target=, and covariates as known=."
        )
    return Columns(item, times, targets[:1] or numeric)


def _time_column(table: pd.DataFrame, by_name: dict[str, Any], item: Any) -> Any:
    for name in TIMES:
        if (
            name in by_name
            and by_name[name] != item
            and table[by_name[name]].dtype.kind not in "fb"
        ):
            return by_name[name]
    for column in table.columns[:3]:  # text that is dates
        if column != item and table[column].dtype.kind not in "iufbc" and len(table):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                import pandas as pd

                if pd.to_datetime(table[column].head(20), errors="coerce").notna().all():
                    return column
    return None


def parse(column: pd.Series, name: str, where: str) -> pd.DatetimeIndex:
    """Timestamps from text or dates; mixed offsets from UTC become UTC.

    Raises:
        InputError: one cannot be read; the message names it and its row.
    """
    import pandas as pd

    if column.dtype.kind in "iuf":
        if column.dropna().between(1000, 3000).all():  # years
            return pd.DatetimeIndex(pd.to_datetime(column.astype("Int64").astype(str), format="%Y"))
        raise InputError(
            f"{where}: the column {name!r} holds plain numbers, not timestamps; turn them into dates with "
            "pandas.to_datetime (which takes a unit), or name another column as timestamp=.",
            where,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about formats that it guesses
        try:
            return pd.DatetimeIndex(pd.to_datetime(column))
        except (ValueError, TypeError):
            times = pd.to_datetime(
                column, errors="coerce", format="mixed", utc=_has_offsets(column)
            )
    unreadable = np.flatnonzero(times.isna().to_numpy())
    if len(unreadable):
        row = int(unreadable[0])
        raise InputError(
            f"{where}: {column.iloc[row]!r} in row {row + 1} of the column {name!r} is no timestamp; "
            "write dates as 2024-01-31, or name another column as timestamp=.",
            where,
        )
    return pd.DatetimeIndex(times)


def _has_offsets(column: pd.Series) -> bool:
    return bool(column.astype(str).str.contains(r"(?:[+-]\d\d:?\d\d|Z)$", regex=True).any())


def numbers(values: Any, name: str) -> NDArray[Any]:
    """float64, missing ones as NaN.

    Raises:
        InputError: they are no numbers.
    """
    import pandas as pd

    try:
        if isinstance(values, np.ndarray) and values.dtype.kind in "iufb":
            return values.astype(np.float64)
        return np.asarray(pd.to_numeric(pd.Series(values)), np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{name}: it holds something that is no number ({str(error).splitlines()[0]}); remove it or "
            "name the right column as target=.",
            name,
        ) from error


def factorize(column: pd.Series) -> tuple[NDArray[Any], Any]:
    """Codes per row and the names, in order of their first row."""
    import pandas as pd

    codes, names = pd.factorize(column)
    if (codes < 0).any():
        raise UsageError(
            f"{int((codes < 0).sum()):,} rows have no name in the column {column.name!r}; fill them."
        )
    return codes, names


def _some(names: Any) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")
