"""Tables of series: read CSV and Parquet files, and find out which column is what."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import InputError, MissingPackageError, UsageError, require
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd


ITEMS = ("item_id", "unique_id", "series_id", "item", "id", "series")
TIMES = ("timestamp", "ds", "date", "datetime", "time", "month", "week", "day", "period")
TARGETS = ("target", "y", "value")


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
    try:
        if name.lower().endswith((".parquet", ".pq")):
            require("pyarrow", extra="parquet", purpose=f"to read {name}")
            return pd.read_parquet(name)
        # The separator is looked for among the usual ones; numbers with a decimal comma stay text, and are refused.
        table = pd.read_csv(name, sep="\t" if ".tsv" in name.lower() else ",", skipinitialspace=True)
        if table.shape[1] == 1 and ";" in str(table.columns[0]):
            table = pd.read_csv(name, sep=";", skipinitialspace=True)
        return table
    except MissingPackageError:
        raise
    except (OSError, ValueError) as error:  # pandas' own errors are ValueErrors, and so are those of encodings
        raise InputError(f"{name}: it cannot be read as a table: {str(error).splitlines()[0]}", name) from error


@dataclass(frozen=True)
class Columns:
    """What the columns are: names of series (None in a wide table), timestamps (None without), targets."""

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
    named = {str(c).lower(): c for c in table.columns}
    item = layout.item or next((named[n] for n in ITEMS if n in named and n != layout.target), None)
    index = table.index
    timestamp: Any = layout.timestamp
    times: pd.DatetimeIndex | None
    if timestamp is None and isinstance(index, pd.DatetimeIndex | pd.PeriodIndex):
        times = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
    else:
        timestamp = timestamp or _time_column(table, named, item)
        times = None if timestamp is None else parse(table[timestamp], str(timestamp), where)
    left = [c for c in table.columns if c not in (item, timestamp, *layout.known, *layout.static)]
    if layout.target is not None:
        return Columns(item, times, [layout.target])
    if item is None:
        targets = [c for c in left if not str(c).startswith("Unnamed")]
        if not targets:
            raise UsageError(f"{where} has no column of numbers; it has: {_some(table.columns)}.")
        return Columns(None, times, targets)
    targets = [named[n] for n in TARGETS if n in named and named[n] in left]
    numeric = [c for c in left if table[c].dtype.kind in "iufb"]
    if not targets and len(numeric) != 1:
        raise UsageError(f"{where} has {len(numeric)} columns that could be the series ({_some(numeric) or 'none'}); "
                         "name one as target=, and covariates as known=.")
    return Columns(item, times, targets[:1] or numeric)


def _time_column(table: pd.DataFrame, named: dict[str, Any], item: Any) -> Any:
    for name in TIMES:
        if name in named and named[name] != item and table[named[name]].dtype.kind not in "fb":
            return named[name]
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
        raise InputError(f"{where}: the column {name!r} holds plain numbers, not timestamps; turn them into dates with "
                         "pandas.to_datetime (which takes a unit), or name another column as timestamp=.", where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about formats that it guesses
        try:
            return pd.DatetimeIndex(pd.to_datetime(column))
        except (ValueError, TypeError):
            found = pd.to_datetime(column, errors="coerce", format="mixed", utc=_has_offsets(column))
    bad = np.flatnonzero(found.isna().to_numpy())
    if len(bad):
        row = int(bad[0])
        raise InputError(f"{where}: {column.iloc[row]!r} in row {row + 1} of the column {name!r} is no timestamp; "
                         "write dates as 2024-01-31, or name another column as timestamp=.", where)
    return pd.DatetimeIndex(found)


def _has_offsets(column: pd.Series) -> bool:
    return bool(column.astype(str).str.contains(r"(?:[+-]\d\d:?\d\d|Z)$", regex=True).any())


def numbers(values: Any, name: str) -> np.ndarray:
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
        raise InputError(f"{name}: it holds something that is no number ({str(error).splitlines()[0]}); remove it or "
                         "name the right column as target=.", name) from error


def factorize(column: pd.Series) -> tuple[np.ndarray, Any]:
    """Codes per row and the names, in order of their first row."""
    import pandas as pd

    codes, names = pd.factorize(column)
    if (codes < 0).any():
        raise UsageError(f"{int((codes < 0).sum()):,} rows have no name in the column {column.name!r}; fill them.")
    return codes, names


def _some(names: Any) -> str:
    shown = [str(name) for name in names]
    return ", ".join(shown[:12]) + (", …" if len(shown) > 12 else "")
