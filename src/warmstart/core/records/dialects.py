"""Delimiters and quotes of CSV and TSV files, detected from their first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from warmstart.core.records.encodings import LONGEST_LINE
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
_SEPARATOR_LINE = re.compile(r'\s*sep=([^"\s]|\t)\s*', re.IGNORECASE)
SAMPLE_LINES = 1000
SAMPLE_CHARACTERS = 2**20


@dataclass(frozen=True)
class Dialect:
    """The delimiter, and whether quotation marks enclose cells or are text."""

    delimiter: str = ","
    quoted: bool = True

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Reader:
        """The records of these lines; `strict`: a stray quotation mark is a `csv.Error`."""
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_LINE))
        if self.quoted:
            return csv.reader(lines, delimiter=self.delimiter, strict=strict)
        return csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE, strict=strict)


@dataclass(frozen=True)
class _Reading:
    """The first records of a file, as a dialect reads them."""

    dialect: Dialect
    records: tuple[tuple[str, ...], ...]
    valid: bool  # quotation marks are where they belong
    ambiguous: bool = False  # quotation marks may enclose cells as well

    @property
    def width(self) -> int:
        return len(self.records[0]) if self.records else 0

    @property
    def consistent(self) -> bool:
        return (
            self.valid
            and self.width > 1
            and all(len(record) == self.width for record in self.records)
        )


def separator_line(line: str) -> str:
    """The delimiter that a first line such as `sep=;` gives Excel; "" for another line."""
    match = _SEPARATOR_LINE.fullmatch(line)
    return match[1] if match else ""


def sample_of(lines: Iterator[str]) -> tuple[list[str], bool]:
    """The first lines, for `detect_dialect`, and whether these are all."""
    sample: list[str] = []
    size = 0
    for line in lines:
        sample.append(line)
        size += len(line)
        if len(sample) >= SAMPLE_LINES or size >= SAMPLE_CHARACTERS:
            return sample, False
    return sample, True


def detect_dialect(
    sample: Sequence[str],
    name: str,
    *,
    complete: bool = True,
    delimiter: str | None = None,
    usual_names: Collection[str] = (),
    one_column: bool = False,
) -> Dialect:
    """The dialect of a table.

    The delimiter is the one of comma, semicolon, tab and vertical bar that gives every record the same number
    of cells; if that holds for none, the one that the first record has. In files with tabs
    quotation marks are text, unless the file needs them: a quoted cell holds a tab, a line end or
    a doubled quotation mark, or every cell that is not a number is quoted.

    Args:
        sample: the first lines.
        name: of the file, for messages; with the suffix `.tsv` a first line with tabs settles the
            delimiter.
        complete: whether there are no more lines.
        delimiter: if it is known.
        usual_names: of columns, in lower case: if two delimiters are possible, the one counts
            that finds some.
        one_column: whether a table with one column only is allowed.

    Raises:
        UsageError: two delimiters are possible, or none is.
    """
    if delimiter is not None:
        delimiter = "\t" if delimiter == r"\t" else delimiter  # as a shell passes it
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise UsageError(f"A delimiter is one character, not {delimiter!r}.")
        return _unambiguous(_reading(sample, delimiter, complete), name)
    if name.lower().endswith((".tsv", ".tab")) and sample and "\t" in sample[0]:
        return _unambiguous(_reading(sample, "\t", complete), name)
    readings = [_reading(sample, delimiter, complete) for delimiter in DELIMITERS]
    possible = [reading for reading in readings if reading.consistent] or [
        r for r in readings if r.width > 1
    ]
    if len(possible) > 1:
        by_name = [reading for reading in possible if _names(reading) & {*usual_names}]
        possible = by_name if len(by_name) == 1 else possible
    if len(possible) > 1:
        ways = " or ".join(
            f"a {DELIMITERS[r.dialect.delimiter]} ({_cells(r.records[0])})" for r in possible
        )
        raise UsageError(
            f"{name}: the cells of the first line may be separated by {ways}; "
            "quote cells that hold a delimiter, or name it with delimiter="
        )
    if possible:
        return _unambiguous(possible[0], name)
    blank = [reading.dialect for reading in readings if not reading.records]
    if blank or one_column:
        return blank[0] if blank else Dialect()
    raise UsageError(
        f"{name} has one column only ({_cells(readings[0].records[0])}); cells are separated by commas, semicolons, "
        "tabs or vertical bars, or by what delimiter= names."
    )


def _unambiguous(reading: _Reading, name: str) -> Dialect:
    if reading.ambiguous:
        raise UsageError(
            f"{name}: quotation marks may be text ({len(reading.records)} records), or enclose cells "
            "with tabs and line ends; save it as CSV or JSON lines."
        )
    return reading.dialect


def _reading(sample: Sequence[str], delimiter: str, complete: bool) -> _Reading:
    quoted = _parse(sample, Dialect(delimiter), complete)
    if delimiter != "\t":
        return quoted
    literal = _parse(sample, Dialect(delimiter, quoted=False), complete)
    if not quoted.consistent:
        return literal
    if not literal.consistent or _needs_quotes(literal):
        return quoted
    if complete and len(quoted.records) != len(literal.records):
        return replace(literal, ambiguous=True)
    return literal


def _needs_quotes(literal: _Reading) -> bool:
    """Whether the cells show that quotation marks enclose them."""
    cells = [cell for record in literal.records for cell in record if cell]
    enclosed = [
        cell for cell in cells if len(cell) > 1 and cell.startswith('"') and cell.endswith('"')
    ]
    if any('""' in cell[1:-1] for cell in enclosed):
        return True
    # A writer that quotes all text leaves nothing but numbers unquoted, in the header nothing at
    # all.
    bare = [cell for cell in cells if not cell.startswith('"')]
    return bool(enclosed) and (all(map(is_number, bare)) or not {*literal.records[0]} & {*bare})


def _parse(sample: Sequence[str], dialect: Dialect, complete: bool) -> _Reading:
    records: list[tuple[str, ...]] = []
    reader = dialect.reader(sample)
    valid = True
    try:
        records.extend(tuple(record) for record in reader if not is_blank(record))
    except csv.Error:
        # In a sample the end of the last record may be missing.
        valid = not complete and reader.line_num >= len(sample)
    else:
        if not complete:
            records = records[:-1] or records
    if not records:  # the first record is damaged: where its cells end is still known
        records = [
            tuple(record)
            for record in dialect.reader(sample[:1], strict=False)
            if not is_blank(record)
        ]
    return _Reading(dialect, tuple(records), valid)


def is_blank(record: Sequence[str]) -> bool:
    """Whether all cells are empty: an empty line, or the tail of a spreadsheet."""
    return not any(cell.strip() for cell in record)


def is_number(cell: str) -> bool:
    """Whether a cell is a number."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _names(reading: _Reading) -> set[str]:
    return {cell.strip().casefold() for cell in reading.records[0]} if reading.records else set()


def _cells(record: Sequence[str]) -> str:
    cells = [cell if len(cell) <= 30 else cell[:29] + "…" for cell in record[:4]]
    return " | ".join(cells) + (" | …" if len(record) > 4 else "")
