"""CSV and TSV files, with a header or without one."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from os.path import splitext
from pathlib import Path

from warmstart.core.records import content
from warmstart.core.records.columns import (
    ANCHOR,
    COLA,
    LABEL,
    NEGATIVE,
    PAIR,
    PHOTO,
    POSITIVE,
    RECORDING,
    TEXT,
    Field,
    listed,
    unique_columns,
)
from warmstart.core.records.content import is_header
from warmstart.core.records.dialects import (
    Dialect,
    detect_dialect,
    is_blank,
    is_number,
    sample_of,
    separator_line,
)
from warmstart.core.records.record import Record
from warmstart.core.records.row_shape import RowShape
from warmstart.core.records.table import PEEK, Table
from warmstart.counts import counted
from warmstart.errors import RecordError, UsageError

TEXTS = frozenset((TEXT, PAIR, ANCHOR, POSITIVE, NEGATIVE))
"""Fields whose cells are sentences."""
Row = tuple[int, list[str]]
"""Number of the line that a record begins in, from 1, and its cells."""


def read(
    lines: Iterator[str],
    path: Path,
    layouts: Sequence[Sequence[Field]],
    usual_names: frozenset[str],
    named: Sequence[str],
    delimiter: str | None,
) -> Table:
    """The table in the lines of a file; see `files.read_file`.

    The first record is a header where the caller names columns, or where a usual name is among
    its cells. It is an example where its cells cannot be names: the label is a number or occurs
    again, or the path has the suffix of another one.

    Raises:
        UsageError: there are no records, or the file can be read in two ways.
        RecordError: the first record is damaged.
    """
    name = str(path)
    sample, complete = sample_of(lines)
    if sample and (stated := separator_line(sample[0])):
        delimiter = delimiter or stated
        sample[0] = "\n"  # which keeps the numbers of the lines
    dialect = detect_dialect(
        sample,
        name,
        complete=complete,
        delimiter=delimiter,
        usual_names={*usual_names, *map(str.casefold, named)},
        one_column=min(map(len, layouts)) == 1,
    )
    rows = _rows(chain(sample, lines), name, dialect)
    first = next(rows, None)
    if first is None:
        raise UsageError(f"{name} is empty.")
    cells = first[1]
    if dialect.quoted:
        shape = RowShape.of(sample, dialect.delimiter, len(cells))
        rows = _closed(rows, shape, name)
    ahead = [first, *islice(rows, PEEK)]
    if not cells[-1].strip():
        cells = _without_blank_end([row for _, row in ahead])
        ahead[0] = first[0], cells
    peek = [row[: len(cells)] if is_blank(row[len(cells) :]) else row for _, row in ahead]
    has_usual_name = bool({cell.strip().casefold() for cell in cells} & usual_names)
    positional = not (named or has_usual_name or is_header(peek))
    if positional:
        columns = _columns_without_header(peek, layouts, dialect, name)
    else:
        columns = unique_columns(cells, name)
        del ahead[0]
    records = _records(chain(ahead, rows), columns, name, dialect.delimiter)
    return Table(name, columns, records, path.parent, positional=positional)


def _rows(lines: Iterator[str], name: str, dialect: Dialect) -> Iterator[Row]:
    """The records; those without a value, which spreadsheets write before and after their tables,
    are left out at the beginning and at the end.

    Raises:
        RecordError: a quotation mark is where none can be, or is not closed.
    """
    reader = dialect.reader(lines)
    is_first, blank = True, list[Row]()
    while True:
        number = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            where = f"{name}:{number}"
            raise RecordError(
                f"{where}: is damaged ({error}); a cell with a quotation mark or a delimiter "
                "is enclosed in quotation marks, and quotation marks inside it are doubled "
                '("")',
                where,
            ) from error
        if not is_blank(row):
            yield from blank
            yield number, row
            is_first, blank = False, []
        elif row and not is_first:  # an empty line is not a record
            blank.append((number, row))


def _without_blank_end(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first record without the empty cells at its end below which most cells are empty, too, as
    spreadsheets write them.
    """
    width = len(rows[0])
    while width > 1 and not rows[0][width - 1].strip():
        cells = [row[width - 1] for row in rows[1:] if len(row) >= width]
        if 2 * sum(bool(cell.strip()) for cell in cells) > len(cells):
            break
        width -= 1
    return list(rows[0][:width])


def _closed(rows: Iterator[Row], shape: RowShape, name: str) -> Iterator[Row]:
    """The records.

    Raises:
        RecordError: a record has lines that look like records: a quotation mark is not closed.
    """
    for number, row in rows:
        ends = sum(cell.count("\n") or cell.count("\r") for cell in row)
        if ends and shape.has_records(row):
            where = f"{name}:{number}"
            raise RecordError(
                f"{where}: a quoted cell continues to line {number + ends}, and its lines look like records, so "
                'a quotation mark is not closed; close it, or write "" where it is text (if the lines are one '
                "cell, save the file as JSON lines)",
                where,
            )
        yield number, row


def _records(
    rows: Iterator[Row], columns: tuple[str, ...], name: str, delimiter: str
) -> Iterator[Record | RecordError]:
    width, number = len(columns), 0
    for number, row in rows:
        where = f"{name}:{number}"
        if len(row) > width and is_blank(row[width:]):
            row = row[:width]
        if len(row) == width:
            yield Record(where, dict(zip(columns, row, strict=True)))
        else:
            advice = "enclose cells that hold a delimiter in quotation marks"
            if len(row) < width:
                advice = "write a delimiter for each missing cell, too"
            cells = [*row[: width - 1], delimiter.join(row[width - 1 :])]
            verb = "is" if width == 1 else "are"
            yield RecordError(
                f"{where}: has {counted(len(row), 'cell')} where there {verb} {counted(width, 'column')} "
                f"({listed(columns, 8)}); {advice}",
                where,
                dict(zip(columns, cells, strict=False)),
            )
    if not number:
        raise UsageError(f"{name} has a header and no records.")


def _columns_without_header(
    rows: Sequence[Sequence[str]], layouts: Sequence[Sequence[Field]], dialect: Dialect, name: str
) -> tuple[str, ...]:
    """The columns of a file whose first record names none.

    Raises:
        UsageError: the first record may be a header with other names.
    """
    width = len(rows[0])
    layout: Sequence[Field] | None = next(
        (fields for fields in layouts if len(fields) == width and _has_numbers(rows, fields)), None
    )
    if layout is not None and tuple(layout) == (TEXT, LABEL):
        layout = _text_and_label(rows)
    if layout is COLA and _is_cola(rows):
        return tuple(field.name for field in layout)
    options = " and ".join(field.option for field in layouts[0] if field.option)
    if (
        layout is not None
        and layout is not COLA
        and _is_example(rows, layout)
        and (width == 2 or _is_numeric(layout) or _are_texts(rows, layout, dialect))
    ):
        return tuple(field.name for field in layout)
    raise UsageError(
        f"{name}: the first line ({listed([cell.strip()[:30] for cell in rows[0]], 8)}) may name the columns or be "
        f"an example. If it names them, say which are meant with {options}; if not, add a first line with a "
        f"name for each of the {width} columns, such as {','.join(_likely_names(rows, layouts[0]))}."
    )


def _likely_names(rows: Sequence[Sequence[str]], layout: Sequence[Field]) -> list[str]:
    """Names for the columns of a file without a header: those of the fields, if the cells show
    them all, else in their order.
    """
    width = len(rows[0])
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    names: dict[int, str] = {}
    for field in layout:
        like = content.are_labels if field is LABEL else content.are_texts
        like = content.are_files if field in (PHOTO, RECORDING) else like
        indices = [
            index for index, cells in enumerate(columns) if like(cells) and index not in names
        ]
        if not indices:
            names = {index: column.tiers[0][0] for index, column in enumerate(layout)}
            break
        names[max(indices, key=lambda index: sum(map(len, columns[index])))] = field.tiers[0][0]
    return [names.get(index, f"column{index + 1}") for index in range(width)]


def _holds_texts(rows: Sequence[Sequence[str]], layout: Sequence[Field]) -> bool:
    """Whether all columns are texts by their layout and by their cells, the first line included."""
    if not {*layout} <= TEXTS:
        return False
    columns = zip(*(row for row in rows if len(row) == len(layout)), strict=True)
    first = all(len(cell.split()) >= content.WORDS for cell in rows[0])
    return first and all(map(content.are_texts, columns))


def _is_example(rows: Sequence[Sequence[str]], layout: Sequence[Field]) -> bool:
    if _holds_texts(rows, layout):
        return True
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    column = layout.index(LABEL) if LABEL in layout else len(layout) - 1
    label = first[column].strip()
    if is_number(label) or (label and any(row[column].strip() == label for row in others)):
        return True
    suffix = splitext(first[0].strip())[1].lower()
    return (
        layout[0] in (PHOTO, RECORDING)
        and suffix != ""
        and any(splitext(row[0].strip())[1].lower() == suffix for row in others)
    )


def _text_and_label(rows: Sequence[Sequence[str]]) -> tuple[Field, Field] | None:
    """The fields of two columns in their order, by their cells; None if both may be the texts."""
    columns = [[row[index] for row in rows if len(row) == 2] for index in (0, 1)]
    labels = content.has_fewer_and_shorter(*columns)
    if labels == 0:  # the unusual order needs more records as evidence
        return (LABEL, TEXT) if len(columns[0]) >= content.FEWEST else None
    return None if labels is None else (TEXT, LABEL)


def _is_numeric(layout: Sequence[Field]) -> bool:
    """Whether its numbers tell an example from a header."""
    return any(field.numeric for field in layout)


def _has_numbers(rows: Sequence[Sequence[str]], layout: Sequence[Field]) -> bool:
    """Whether just the columns of numbers hold them: a label that is a number leaves it open."""
    return not _is_numeric(layout) or all(
        is_number(cell) == field.numeric
        for row in rows
        if len(row) == len(layout)
        for cell, field in zip(row, layout, strict=True)
    )


def _is_cola(rows: Sequence[Sequence[str]]) -> bool:
    """Whether these are the columns of CoLA: source, 0 or 1, `*` or nothing, a sentence."""
    return all(len(row) == len(COLA) and row[1] in ("0", "1") and row[3].strip() for row in rows)


def _are_texts(rows: Sequence[Sequence[str]], layout: Sequence[Field], dialect: Dialect) -> bool:
    """Whether all columns but the last are texts, not row numbers or parts of one text."""
    return dialect.delimiter == "\t" and all(
        any(" " in row[column].strip() for row in rows if len(row) == len(layout))
        for column in range(len(layout) - 1)
    )
