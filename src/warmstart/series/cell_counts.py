"""Rows of CSV files that have more or fewer cells than the header.

A number with an unquoted comma (`1000,5`) makes one cell more; so do names of rows, as R writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from warmstart.errors import InputError
from warmstart.series import dates
from warmstart.series.column_types import holds_numbers
from warmstart.series.tables import TIMES

if TYPE_CHECKING:
    import pandas as pd

BEFORE_COMMA = re.compile(r"[-+(]?[$€£¥₹]?\s*\d+")
AFTER_COMMA = re.compile(r"(?:\d+|\d{3}\.\d+)\s*[%$€£)-]?")
"""Parts of a number that its comma splits: a decimal one, or one of thousands."""
LEAST_NUMBERED = 3
"""Rows below which row numbers look like values."""


def without_blank_end(row: Sequence[str]) -> list[str]:
    """The cells of a row up to the last one that is not blank."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def check_short_header(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    delimiter: str,
    header_line: int,
    first_line: int,
    name: str,
) -> None:
    """Check that a header with one name less than the rows have cells leaves out the names of the
    rows, or that the last cells are empty.

    Args:
        header: its names.
        rows: below it.
        delimiter: between cells.
        header_line, first_line: numbers of the lines of the header and of the first row.
        name: of the file, for messages.

    Raises:
        InputError: a delimiter may be part of a cell.
    """
    full = [[cell.strip() for cell in row] for row in rows if len(row) > len(header)]
    if not any(row[-1] for row in full) or _numbers_rows(full):
        return
    splits = [split for row in full if (split := _split(row)) is not None]
    has_splits = delimiter == "," and 2 * len(splits) >= len(full)
    if not has_splits and not _misses_dates(header, full[0]):
        return
    first = next(row for row in full if not has_splits or _split(row) is not None)
    index = next(i for i, row in enumerate(rows) if [cell.strip() for cell in row] == first)
    text = delimiter.join(splits[0] if has_splits else first[1:])
    raise InputError(
        f"{name}: line {first_line + index} has {len(first)} cells, and the header in line "
        f"{header_line} has {len(header)}: {text!r} may be one cell (enclose such cells in "
        f"quotation marks), or {first[0]!r} is the name of the row (add a name for the first "
        "column, too).",
        name,
    )


def check_header(
    header: Sequence[str], row: Sequence[str], delimiter: str, line: int, name: str
) -> None:
    """Check that a header has as many names as the first row has cells.

    Raises:
        InputError: it has more or fewer.
    """
    if len(header) != len(row):
        raise InputError(
            f"{name}: line {line} has {len(header)} cells, and the row below it "
            f"({delimiter.join(row)[:80]!r}) has {len(row)}: if line {line} is the header, write as many "
            "cells in each row, and enclose those that hold a delimiter in quotation marks; if the table "
            "has no header, delete that line.",
            name,
        )


def check_first_row(header: Sequence[str], row: Sequence[str], line: int, name: str) -> None:
    """Check that the first row has no more cells than the header.

    Raises:
        InputError: it has.
    """
    if len(without_blank_end(row)) > len(header):
        raise InputError(too_many_cells(name, line, len(row), len(header)), name)


def too_many_cells(name: str, line: int | str, cells: int | str, columns: int | str) -> str:
    """The message on a row that is longer than the others."""
    return (
        f"{name}: line {line} has {cells} cells where there are {columns} columns; enclose cells that "
        "hold a delimiter in quotation marks."
    )


def check_last_column(table: pd.DataFrame, name: str) -> None:
    """Check that integers in a last column without a name are not parts of numbers before a comma.

    Raises:
        InputError: they may be.
    """
    if table.shape[1] < 2 or not str(table.columns[-1]).startswith("Unnamed"):
        return
    number, rest = table.iloc[:, -2], table.iloc[:, -1]
    if not holds_numbers(number) or not holds_numbers(rest):
        return
    present = np.flatnonzero(rest.notna() & number.notna())
    numbers, parts = number.to_numpy(float)[present], rest.to_numpy(float)[present]
    if not len(present) or (numbers % 1).any() or (parts % 1).any() or (parts < 0).any():
        return
    raise InputError(
        f"{name}: the last cell of row {present[0] + 1} has no column: "
        f"'{numbers[0]:.0f},{parts[0]:.0f}' may be one cell (enclose such cells in quotation "
        "marks), or two (add a name for the last column, too).",
        name,
    )


def _numbers_rows(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first cells count the rows from 0 or 1 on, next to cells that change."""
    counted = [[str(first + index) for index in range(len(rows))] for first in (0, 1)]
    is_counted = len(rows) >= LEAST_NUMBERED and [row[0] for row in rows] in counted
    return is_counted and len({row[1] for row in rows}) > 1


def _split(row: Sequence[str]) -> list[str] | None:
    """The first two cells that may be one number."""
    for index in range(len(row) - 1):
        if BEFORE_COMMA.fullmatch(row[index]) and AFTER_COMMA.fullmatch(row[index + 1]):
            return list(row[index : index + 2])
    return None


def _misses_dates(header: Sequence[str], row: Sequence[str]) -> bool:
    """Whether the first cell is a date, and one under a name of dates is not, with names of rows."""
    return dates.is_date(row[0]) and any(
        column.lower() in TIMES and not dates.is_date(cell)
        for column, cell in zip(header, row[1:], strict=True)
    )
