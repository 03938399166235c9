"""CSV files of series. pandas reads the rows; `first_lines` says how the file is written."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from warmstart.core.records.values import MISSING_WORDS, UNCLEAR_WORDS
from warmstart.errors import InputError, documented_in
from warmstart.series import first_lines, name_columns
from warmstart.series.column_types import holds_numbers
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

MISSING = frozenset({"", *MISSING_WORDS, *UNCLEAR_WORDS})
"""Cells of missing values; among names, NA is a name."""


@documented_in("forecasting.md#dates-and-numbers")
def read(
    opened: Callable[[], BinaryIO], csv_format: first_lines.CsvFormat, name: str, layout: Layout
) -> pd.DataFrame:
    """The table in a CSV file; `notes` in its `attrs` say how it was read.

    Args:
        opened: opens the file, at its start.
        csv_format: what its first lines show.
        name: of the file, for messages.
        layout: names columns whose cells are names, which stay as they are written.

    Raises:
        InputError: it is not a table, or can be read in two ways.
    """
    import pandas as pd

    options: dict[str, Any] = (
        {"header": None, "names": csv_format.names} if csv_format.names else {}
    )
    parse: Any = partial(
        pd.read_csv,
        sep=csv_format.delimiter,
        skiprows=csv_format.skipped,
        encoding=csv_format.encoding,
        skipinitialspace=True,
        index_col=False,
        keep_default_na=False,
        **options,
    )
    is_text = csv_format.delimiter != ","  # such files may have decimal commas
    try:
        with opened() as file:
            header = list(parse(file, nrows=0).columns)
        layout = layout.for_columns(header)
        names = name_columns.among(header, layout)
        missing: dict[Any, frozenset[str]] = {
            column: MISSING - UNCLEAR_WORDS if layout.holds_names(column) else MISSING
            for column in header
        }
        missing[len(header)] = MISSING  # of rows that end with a delimiter
        types: Any = str if is_text else dict.fromkeys(names, str)
        with opened() as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that are lost
            table: pd.DataFrame = parse(file, dtype=types, na_values=missing)
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:

        def line_of(index: int) -> int:
            with opened() as file:
                return first_lines.line_of_row(file, index, csv_format.delimiter, name)

        raise InputError(_reason(error, name, line_of), name) from None
    if is_text:
        table = table.apply(lambda c: c if c.name in names else _integers(c))
    for column in names:
        table[column] = name_columns.read(table[column], must_be_text=layout.holds_names(column))
    if not is_text:
        _check_last_column(table, name)
    empty = [c for c in table if str(c).startswith("Unnamed") and table[c].isna().all()]
    table = table.drop(columns=empty)
    if table.shape[1] > 1:  # the tail of a spreadsheet
        is_full = table.notna().any(axis=1).to_numpy()
        table = table.iloc[: int(is_full.nonzero()[0].max(initial=-1)) + 1]
    table.attrs["notes"] = csv_format.notes
    return table


def _reason(error: Exception, name: str, line_of: Callable[[int], int]) -> str:
    """What pandas says, in other words where they are better; it counts rows, and `line_of` is the
    line of a row.
    """
    text = str(error).splitlines()[0][:200]
    match = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text)
    if match:
        columns, row, cells = map(int, match.groups())
        return first_lines.too_many_cells(name, line_of(row - 1), cells, columns)
    if "does not match length of data" in text:
        return (
            f"{name}: rows have more cells than there are columns; add a first line that "
            "names all of them."
        )
    unclosed = re.search(r"EOF inside string starting at row (\d+)", text)
    if unclosed:
        line = line_of(int(unclosed[1]))
        return f"{name}: the row in line {line} has a quotation mark that is not closed."
    if "No columns" in text:
        return f"{name}: it is empty."
    return f"{name}: it cannot be read as a table: {text}"


def _check_last_column(table: pd.DataFrame, name: str) -> None:
    """Check that integers in a last column without a name are not the digits after a decimal comma.

    Raises:
        InputError: they may be.
    """
    if table.shape[1] < 2 or not str(table.columns[-1]).startswith("Unnamed"):
        return
    pair = table.iloc[:, -2:]
    if not all(holds_numbers(pair[column]) for column in pair):
        return
    numbers = pair.to_numpy(float)
    present = np.flatnonzero(~np.isnan(numbers).any(axis=1))
    both = numbers[present]
    if not len(both) or (both % 1).any() or (both[:, 1] < 0).any():
        return
    raise InputError(
        f"{name}: the last cell of row {present[0] + 1} has no column: "
        f"'{both[0, 0]:.0f},{both[0, 1]:.0f}' may be one cell (enclose such cells in quotation "
        "marks), or two (add a name for the last column, too).",
        name,
    )


def _integers(column: pd.Series) -> pd.Series:
    """A column of text as integers if all cells are integers; otherwise unchanged."""
    import pandas as pd

    is_whole = bool(column.str.fullmatch(r"-?\d{1,18}").eq(True).all())
    return pd.to_numeric(column) if is_whole and len(column) else column
