"""CSV files of series: delimiter, lines before the header, and whether there is a header at all.

pandas reads the rows; what it takes for granted is detected here in the first lines.
"""

from __future__ import annotations

import csv
import itertools
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from warmstart.core.records.dialects import Dialect, is_blank, sample_of
from warmstart.core.records.encodings import decoded_lines, detect_encoding
from warmstart.core.records.values import UNCLEAR_WORDS
from warmstart.errors import InputError, RecordError
from warmstart.series import cell_counts, dates, decimals, name_columns
from warmstart.series.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = ";\t|,"
"""In this order: where semicolons separate cells, a comma may be the decimal sign."""
SEPARATOR_LINE = re.compile(r"sep=([;,|\t])\s*", re.IGNORECASE)
"""A first line that Excel writes and reads."""
SAMPLE_LINES = 200
MARKER = "#"
"""The first character of comments before the header."""


@dataclass(frozen=True)
class Shape:
    """What the first lines of a file show.

    Attributes:
        encoding: of the file.
        delimiter: between cells.
        skipped: lines before the first row.
        names: of the columns, where no line has them; () where the first row has.
        notes: what was decided, for people.
    """

    encoding: str
    delimiter: str
    skipped: int
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read(opened: Callable[[], BinaryIO], name: str, layout: Layout) -> pd.DataFrame:
    """The table in a CSV file; `notes` in its `attrs` say how it was read.

    Args:
        opened: opens the file, at its start.
        name: of the file, for messages.
        layout: names columns whose cells are names, which stay as they are written.

    Raises:
        InputError: it is not a table, or can be read in two ways.
    """
    import pandas as pd

    with opened() as file:
        shape = shape_of(file, name)
    options: dict[str, Any] = {"header": None, "names": shape.names} if shape.names else {}
    parse: Any = partial(
        pd.read_csv,
        sep=shape.delimiter,
        skiprows=shape.skipped,
        encoding=shape.encoding,
        skipinitialspace=True,
        index_col=False,
        **options,
    )
    is_text = shape.delimiter != ","  # such files may have decimal commas
    try:
        with opened() as file:
            header = list(parse(file, nrows=0).columns)
        layout = layout.for_columns(header)
        names = name_columns.among(header, layout)
        types: Any = str if is_text else dict.fromkeys(names, str)
        with opened() as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of cells that are lost
            table: pd.DataFrame = parse(file, dtype=types)
    except (ValueError, OverflowError, pd.errors.ParserWarning) as error:
        raise InputError(_reason(error, name), name) from None
    if is_text:
        table = table.apply(lambda c: c if c.name in names else _integers(c))
    _keep_words(table, [name for name in names if layout.holds_names(name)], opened, parse)
    for column in names:
        table[column] = name_columns.read(table[column], must_be_text=layout.holds_names(column))
    if not is_text:
        cell_counts.check_last_column(table, name)
    empty = [c for c in table if str(c).startswith("Unnamed") and table[c].isna().all()]
    table = table.drop(columns=empty)
    if table.shape[1] > 1:  # the tail of a spreadsheet
        is_full = table.notna().any(axis=1).to_numpy()
        table = table.iloc[: int(is_full.nonzero()[0].max(initial=-1)) + 1]
    table.attrs["notes"] = shape.notes
    return table


def _keep_words(
    table: pd.DataFrame, names: Sequence[str], opened: Callable[[], BinaryIO], parse: Any
) -> None:
    """Read NA in columns of names as it is written, where pandas takes it for a missing value."""
    names = [name for name in names if table[name].isna().any()]
    if not names:
        return
    with opened() as file:
        words = parse(file, dtype=str, keep_default_na=False, usecols=names)
    for name in names:
        is_name = words[name].str.strip().isin(UNCLEAR_WORDS)
        table[name] = table[name].where(~is_name, words[name])


def _reason(error: Exception, name: str) -> str:
    """What pandas says, in other words where they are better."""
    text = str(error).splitlines()[0][:200]
    match = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", text)
    if match:
        return cell_counts.too_many_cells(name, match[2], match[3], match[1])
    if "does not match length of data" in text:
        return (
            f"{name}: rows have more cells than there are columns; add a first line that "
            "names all of them."
        )
    unclosed = re.search(r"EOF inside string starting at row (\d+)", text)
    if unclosed:
        return f"{name}: a quotation mark in line {int(unclosed[1]) + 1} of the CSV is not closed."
    if "No columns" in text:
        return f"{name}: it is empty."
    return f"{name}: it cannot be read as a table: {text}"


def shape_of(file: BinaryIO, name: str) -> Shape:
    """What the first lines of a file show.

    Raises:
        InputError: it is not text, or its first line may be one of names or of values.
    """
    encoding = detect_encoding(file.read(4), name)[0]
    file.seek(0)
    try:
        lines = sample_of(decoded_lines(file, name))[0][:SAMPLE_LINES]
    except RecordError as error:
        text = str(error).replace(", or name its encoding with encoding=", "")
        raise InputError(f"{text}.", name) from None
    notes: list[str] = []
    skipped, delimiter = 0, ""
    if lines and (match := SEPARATOR_LINE.fullmatch(lines[0].strip("\ufeff"))):
        skipped, delimiter = 1, match[1]
    while skipped < len(lines) and lines[skipped].startswith(MARKER):
        skipped += 1
    delimiter = delimiter or _delimiter(lines[skipped:])
    rows = _rows(lines[skipped:], delimiter)
    width = Counter(len(row) for row in rows).most_common(1)[0][0] if rows else 0
    title = next((index for index, row in enumerate(rows) if _is_row(row, width)), 0)
    title = _first_of_short(rows, title, width)
    header = cell_counts.without_blank_end(rows[title - 1]) if title else []
    has_values = any(_is_value(cell) for row in rows[title : title + 1] for cell in row)
    is_short = has_values and len(header) == width - 1 > 1  # one name less than cells
    title -= is_short
    rows = rows[title:]
    skipped += _lines_before(lines[skipped:], delimiter, title)
    if title:
        notes.append(f"ignored, because they are above the table: the first {skipped} lines")
    names: tuple[str, ...] = ()
    if names := _names_in_levels(rows):
        height = next(index for index, row in enumerate(rows) if is_blank(row[1:])) + 1
        skipped += _lines_before(lines[skipped:], delimiter, height)
    elif is_short:
        line = skipped + 1
        skipped += _lines_before(lines[skipped:], delimiter, 1)
        cell_counts.check_short_header(header, rows[1:], delimiter, line, skipped + 1, name)
        names = _completed(header, rows[1:])
    elif (names := _names(rows, name)) and len(header) > 1 and not any(map(_is_value, header)):
        notes.clear()  # a header with more or fewer cells than the rows
        cell_counts.check_header(header, rows[0], delimiter, skipped, name)
        names = tuple(header)
    elif names:
        notes.append("the first line has values: columns are numbered")
    elif len(rows) > 1:
        line = skipped + _lines_before(lines[skipped:], delimiter, 1) + 1
        cell_counts.check_first_row(rows[0], rows[1], line, name)
    encoding = "utf-8-sig" if encoding == "utf-8" else "utf-16"
    return Shape(encoding, delimiter, skipped, names, tuple(notes))


def _is_row(row: Sequence[str], width: int) -> bool:
    """Whether this is a row of the table, not a line of text above it."""
    if len(row) != width:
        return False
    return width == 1 or not is_blank(row[1:]) or dates.is_date(row[0])


def _first_of_short(rows: Sequence[Sequence[str]], title: int, width: int) -> int:
    """The index of the first row below a header of one name less, where rows with as few cells come
    first; else `title`.
    """
    first = title
    while first > 0 and len(rows[first - 1]) == width - 1 > 1:
        if not any(map(_is_value, rows[first - 1])):
            return first
        first -= 1
    return title


def _completed(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names of columns of a file with one more: an empty one at the end, or, as R writes it, the
    names of the rows.
    """
    is_last_empty = all(not row[-1].strip() for row in rows if len(row) > len(header))
    return (*header, "Unnamed: end") if is_last_empty else ("Unnamed: 0", *header)


def _names_in_levels(rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Names of columns in several rows, as pandas writes them: the levels, then the name of the index
    in a row of its own. () where the rows are others.
    """
    height = next((index for index, row in enumerate(rows) if is_blank(row[1:])), 0)
    levels = [[cell.strip() for cell in row] for row in rows[:height]]
    if not levels or height + 1 >= len(rows) or len(levels[0]) < 2:
        return ()
    is_named = not any(_is_value(cell) or not cell for level in levels for cell in level[1:])
    if not is_named or _is_value(rows[height][0]) or not dates.is_date(rows[height + 1][0]):
        return ()
    different = [level for level in levels if len({*level[1:]}) > 1] or levels[:1]
    columns = zip(*(level[1:] for level in different), strict=True)
    return (rows[height][0].strip(), *("/".join(cells) for cells in columns))


def _lines_before(lines: Sequence[str], delimiter: str, rows: int) -> int:
    """How many lines lie before the row with this index; blank ones are not rows."""
    count = 0
    for index, line in enumerate(lines):
        if _rows([line], delimiter) and (count := count + 1) > rows:
            return index
    return len(lines)


def _rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    reader = Dialect(delimiter).reader(lines, strict=False)
    try:
        return [row for row in reader if row and not is_blank(row)]
    except csv.Error:
        return []


def _delimiter(lines: Sequence[str]) -> str:
    """The first of `DELIMITERS` that gives most rows the same number of cells, two or more."""
    best, most = ",", 0.0
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in _rows(lines, delimiter))
        rows = sum(widths.values())
        share = max((n / rows for width, n in widths.items() if width > 1), default=0.0)
        if share > most:
            best, most = delimiter, share
    return best


def _names(rows: Sequence[Sequence[str]], name: str) -> tuple[str, ...]:
    """Names for the columns of a file whose first row has values; () where it has names.

    It has values where all its cells are dates or numbers above such cells, except for names that
    count 0, 1, 2, … or are dates one after the other, as in wide tables.

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
        text = cell.strip()
        present = [value for value in below if value.strip()]
        is_name = not _is_value(text) and text.lower() not in decimals.MISSING
        if is_name and any(map(_is_value, present)):
            return ()
    counted = [str(index) for index in range(len(first))]
    if [cell.strip() for cell in first] == counted:  # pandas names columns so
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


def _are_headings(first: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Whether the first row has dates or years above numbers: a series in each row."""
    above = [
        cell.strip()
        for cell, below in zip(first, columns, strict=True)
        if not any(dates.is_date(value) for value in below)
    ]
    values = [cell for cell in above if _is_value(cell)]
    if all(map(dates.is_date, values)):
        return True
    years = [int(cell) for cell in values if re.fullmatch(r"(?:1[789]|20|21)\d\d", cell)]
    steps = {b - a for a, b in itertools.pairwise(years)}
    return len(years) == len(values) and len(steps) == 1


def _is_value(cell: str) -> bool:
    return decimals.is_number(cell) or dates.is_date(cell)


def _integers(column: pd.Series) -> pd.Series:
    """A column of text as integers, where all of it is."""
    import pandas as pd

    is_whole = bool(column.str.fullmatch(r"-?\d{1,18}").eq(True).all())
    return pd.to_numeric(column) if is_whole and len(column) else column
