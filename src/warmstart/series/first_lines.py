"""The first lines of a CSV file of series: its delimiter, lines above the table, its header.

Labelled records have their own rules (`core.records.dialects`, `core.records.delimited`): a delimiter
may be part of a text, so a file with two readings is refused. In tables of numbers, a comma may be
the decimal sign, and there may be titles above the table.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from warmstart.core.records.dialects import Dialect, is_blank, sample_of, separator_line
from warmstart.core.records.encodings import decoded_lines, detect_encoding
from warmstart.counts import counted
from warmstart.errors import InputError, documented_in
from warmstart.series import dates, decimals
from warmstart.series.tables import TIMES

DELIMITERS = ";\t|,"
"""Tried in this order: if semicolons separate cells, a comma may be the decimal sign."""
SAMPLE_LINES = 200
MARKER = "#"
"""The first character of comments before the header."""
BEFORE_COMMA = re.compile(r"[-+(]?[$€£¥₹]?\s*\d+")
AFTER_COMMA = re.compile(r"(?:\d+|\d{3}\.\d+)\s*[%$€£)-]?")
"""The parts of a number before and after a comma that separates decimals or thousands."""
LEAST_NUMBERED = 3
"""Minimum number of rows to distinguish row numbers from values."""
Row = Sequence[str]


class NumberedRow(NamedTuple):
    """A row: its number among all rows of the file, from 0, the line on which it begins, from 1, and
    its cells.
    """

    number: int
    line: int
    cells: list[str]


@dataclass(frozen=True)
class CsvFormat:
    """The format of a file, recognised from its first lines.

    Attributes:
        encoding: of the file.
        delimiter: between cells.
        skipped: rows before the first one of the table.
        names: of the columns, if the first row does not have them; else ().
        notes: sentences about the decisions, for the user.
    """

    encoding: str
    delimiter: str
    skipped: int
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@documented_in("forecasting.md#dates-and-numbers")
def detect_format(file: BinaryIO, name: str) -> CsvFormat:
    """The format of a file, recognised from its first lines.

    Args:
        file: at its start.
        name: of the file, for messages.

    Raises:
        UsageError: it is UTF-32.
        RecordError: it is not text.
        InputError: its first line may have names or values, or a delimiter may be part of a cell.
    """
    encoding = "utf-8-sig" if detect_encoding(file.read(4), name)[0] == "utf-8" else "utf-16"
    file.seek(0)
    lines = sample_of(decoded_lines(file, name))[0][:SAMPLE_LINES]
    delimiter = separator_line(lines[0]) if lines else ""
    first = 1 if delimiter else 0
    while first < len(lines) and lines[first].startswith(MARKER):
        first += 1
    delimiter = delimiter or _delimiter(lines[first:])
    numbered = _numbered(lines[first:], delimiter, first)
    rows = [row.cells for row in numbered]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    top = next((index for index, row in enumerate(rows) if _is_row(row, width)), 0)
    top = _first_of_short(rows, top, width)
    header = without_blank_end(rows[top - 1]) if top else []
    has_values = any(_is_value(cell) for row in rows[top : top + 1] for cell in row)
    is_short = has_values and len(header) == width - 1 > 1  # one name fewer than cells
    header_line = numbered[top - 1].line if top else 0
    top -= is_short
    numbered, rows = numbered[top:], rows[top:]
    skipped = numbered[0].number if numbered else len(lines)
    notes: list[str] = []
    if top:
        above = counted(numbered[0].line - 1, "line")
        notes.append(f"ignored, because above the table: {above}")
    names, height = _names_in_levels(rows)
    if names:
        skipped = numbered[height].number
    elif is_short:
        _check_short_header(header, numbered[1:], delimiter, numbered[0].line, name)
        skipped = numbered[1].number
        names = _completed(header, rows[1:])
    elif (names := _names(rows, name)) and len(header) > 1 and not any(map(_is_value, header)):
        notes.clear()  # a header with more or fewer cells than the rows
        _check_header(header, rows[0], delimiter, header_line, name)
        names = tuple(header)
    elif names:
        notes.append("the first line has values: columns are numbered")
    elif len(rows) > 1 and len(without_blank_end(rows[1])) > len(rows[0]):
        raise InputError(too_many_cells(name, numbered[1].line, len(rows[1]), len(rows[0])), name)
    return CsvFormat(encoding, delimiter, skipped, names, tuple(notes))


def without_blank_end(row: Row) -> list[str]:
    """The cells of a row up to the last one that is not blank."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells


def too_many_cells(name: str, line: int, cells: int, columns: int) -> str:
    """The message on a row that is longer than the others."""
    verb = "is" if columns == 1 else "are"
    return (
        f"{name}: line {line} has {cells} cells where there {verb} {counted(columns, 'column')}; enclose "
        "cells that hold a delimiter in quotation marks."
    )


def line_of_row(file: BinaryIO, index: int, delimiter: str, name: str) -> int:
    """The number of the line, from 1, on which a row begins: a quoted cell may have several lines.

    Args:
        file: at its start.
        index: of the row, from 0; blank lines are rows, too.
        delimiter: between cells.
        name: of the file, for messages.
    """
    reader = Dialect(delimiter).reader(decoded_lines(file, name), strict=False)
    for _ in itertools.islice(reader, index):
        pass
    return reader.line_num + 1


def _numbered(lines: Sequence[str], delimiter: str, first: int = 0) -> list[NumberedRow]:
    """The rows that are not blank; `first` lines are above these."""
    reader = Dialect(delimiter).reader(lines, strict=False)
    numbered, line = [], first + 1
    for index, cells in enumerate(reader, first):
        if not is_blank(cells):
            numbered.append(NumberedRow(index, line, cells))
        line = first + reader.line_num + 1
    return numbered


def _delimiter(lines: Sequence[str]) -> str:
    """The first of `DELIMITERS` that gives most rows the same number of cells, two or more."""
    best, best_share = ",", 0.0
    for delimiter in DELIMITERS:
        widths = Counter(len(row.cells) for row in _numbered(lines, delimiter))
        share = max((n / widths.total() for width, n in widths.items() if width > 1), default=0.0)
        if share > best_share:
            best, best_share = delimiter, share
    return best


def _is_row(row: Row, width: int) -> bool:
    """Whether this is a row of the table, not a line of text above it."""
    return len(row) == width and (width == 1 or not is_blank(row[1:]) or dates.is_date(row[0]))


def _first_of_short(rows: Sequence[Row], top: int, width: int) -> int:
    """The index of the first row below a header that lacks one name, if the next rows are as short
    as the header; else `top`.
    """
    first = top
    while first > 0 and len(rows[first - 1]) == width - 1 > 1:
        if not any(map(_is_value, rows[first - 1])):
            return first
        first -= 1
    return top


def _completed(header: Row, rows: Sequence[Row]) -> tuple[str, ...]:
    """The names of all columns, for a header that lacks one: that of an empty column at the end,
    or, as R writes files, of the row names.
    """
    is_last_empty = all(not row[-1].strip() for row in rows if len(row) > len(header))
    return (*header, "Unnamed: end") if is_last_empty else ("Unnamed: 0", *header)


def _names_in_levels(rows: Sequence[Row]) -> tuple[tuple[str, ...], int]:
    """Names of columns in several rows, as pandas writes them: the levels, then the name of the index
    in a separate row; and the number of these rows. () and 0 if the rows are not of this form.
    """
    height = next((index for index, row in enumerate(rows) if is_blank(row[1:])), 0)
    levels = [[cell.strip() for cell in row] for row in rows[:height]]
    if not levels or height + 1 >= len(rows) or len(levels[0]) < 2:
        return (), 0
    is_named = not any(_is_value(cell) or not cell for level in levels for cell in level[1:])
    if not is_named or _is_value(rows[height][0]) or not dates.is_date(rows[height + 1][0]):
        return (), 0
    different = [level for level in levels if len({*level[1:]}) > 1] or levels[:1]
    columns = zip(*(level[1:] for level in different), strict=True)
    return (rows[height][0].strip(), *("/".join(cells) for cells in columns)), height + 1


def _names(rows: Sequence[Row], name: str) -> tuple[str, ...]:
    """Names for the columns of a file whose first row has values; () if it has names.

    It has values if all its cells that are above dates or numbers are dates or numbers themselves.
    Cells that count 0, 1, 2, … are names, and so are dates or years above numbers: a wide table.

    Raises:
        InputError: it can be either.
    """
    if len(rows) < 2:
        return ()
    first, others = rows[0], [row for row in rows[1:21] if len(row) == len(rows[0])]
    columns = list(zip(*others, strict=True))
    if not columns or not any(map(_is_value, first)):
        return ()
    for cell, below in zip(first, columns, strict=True):
        is_name = not _is_value(cell) and cell.strip().lower() not in decimals.MISSING
        if is_name and any(map(_is_value, below)):
            return ()
    counted = [str(index) for index in range(len(first))]
    if [cell.strip() for cell in first] == counted:  # pandas' default names
        if len(first) == 1 and all(re.fullmatch(r"-?\d+", row[0].strip()) for row in others):
            raise InputError(
                f"{name}: its first line ('0') may be a value or the name of the column; add "
                "a first line such as value.",
                name,
            )
        return ()
    if sum(map(_is_value, first)) > 2 and _are_headings(first, columns):
        return ()
    return tuple(f"column {number}" for number in range(1, len(first) + 1))


def _are_headings(first: Row, columns: Sequence[Row]) -> bool:
    """Whether the first row has dates or years above numbers, with a series in each row."""
    values = [
        cell.strip()
        for cell, below in zip(first, columns, strict=True)
        if _is_value(cell) and not any(map(dates.is_date, below))
    ]
    if all(map(dates.is_date, values)):
        return True
    years = [int(cell) for cell in values if re.fullmatch(r"(?:1[789]|20|21)\d\d", cell)]
    steps = {b - a for a, b in itertools.pairwise(years)}
    return len(years) == len(values) and len(steps) == 1


def _is_value(cell: str) -> bool:
    return decimals.is_number(cell) or dates.is_date(cell)


def _check_short_header(
    header: Row, rows: Sequence[NumberedRow], delimiter: str, line: int, name: str
) -> None:
    """Check that a header with one name fewer than the rows have cells lacks that of the row names,
    or that the last cells are empty.

    Args:
        header: its names.
        rows: below it.
        delimiter: between cells.
        line: of the header.
        name: of the file, for messages.

    Raises:
        InputError: a delimiter may be part of a cell.
    """
    full = [
        (row.line, [cell.strip() for cell in row.cells])
        for row in rows
        if len(row.cells) > len(header)
    ]
    cells = [row for _, row in full]
    if not any(row[-1] for row in cells) or _numbers_rows(cells):
        return
    splits = [item for item in full if _split(item[1])]
    has_splits = delimiter == "," and 2 * len(splits) >= len(full)
    if not has_splits and not _misses_dates(header, cells[0]):
        return
    number, row = (splits if has_splits else full)[0]
    text = delimiter.join(_split(row) if has_splits else row[1:])
    raise InputError(
        f"{name}: line {number} has {counted(len(row), 'cell')}, and the header in line {line} has "
        f"{len(header)}: {text!r} may be one cell (enclose such cells in quotation marks), or "
        f"{row[0]!r} is the name of the row (add a name for the first column, too).",
        name,
    )


def _check_header(header: Row, row: Row, delimiter: str, line: int, name: str) -> None:
    """Check that a header has as many names as the first row has cells.

    Raises:
        InputError: it has more or fewer.
    """
    if len(header) != len(row):
        raise InputError(
            f"{name}: line {line} has {counted(len(header), 'cell')}, and the row below it "
            f"({delimiter.join(row)[:80]!r}) has {len(row)}: if line {line} is the header, write as many "
            "cells in each row, and enclose those that hold a delimiter in quotation marks; if the table "
            "has no header, delete that line.",
            name,
        )


def _numbers_rows(rows: Sequence[Row]) -> bool:
    """Whether the first cells count the rows from 0 or 1, and the second cells differ."""
    counted = [[str(first + index) for index in range(len(rows))] for first in (0, 1)]
    is_counted = len(rows) >= LEAST_NUMBERED and [row[0] for row in rows] in counted
    return is_counted and len({row[1] for row in rows}) > 1


def _split(row: Row) -> Row:
    """The first two cells that may be parts of one number; () if there are none."""
    for index in range(len(row) - 1):
        if BEFORE_COMMA.fullmatch(row[index]) and AFTER_COMMA.fullmatch(row[index + 1]):
            return row[index : index + 2]
    return ()


def _misses_dates(header: Row, row: Row) -> bool:
    """Whether the first cell cannot be the name of the row: it is a date, and then a column that is
    named as one of dates has something else.
    """
    return dates.is_date(row[0]) and any(
        column.lower() in TIMES and not dates.is_date(cell)
        for column, cell in zip(header, row[1:], strict=True)
    )
