"""Tables of tagged sentences with one word in each row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from warmstart.core import records
from warmstart.core.records.columns import SENTENCE_ROW, choose_column, listed
from warmstart.core.records.content import FEWEST
from warmstart.core.records.record import Record
from warmstart.core.records.table import Table
from warmstart.core.records.values import is_missing
from warmstart.errors import RecordError, UsageError


@dataclass
class _Rows:
    """The rows of a sentence: its first record, words and tags."""

    first: Record
    number: str
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    damaged: bool = False


def has_word_rows(table: Table, column: str) -> bool:
    """Whether each cell of a column is a single word, and not a sentence."""
    if table.positional:
        return False
    cells = [cell for cell in table.cells()[column] if not is_missing(cell)]
    return len(cells) >= FEWEST and all(
        isinstance(cell, str) and not cell.startswith("[") and len(cell.split()) == 1
        for cell in cells
    )


def sentence_column(table: Table, excluded: Collection[str]) -> str:
    """The column that numbers the sentences.

    Raises:
        UsageError: there is none.
    """
    free = [column for column in table.columns if column not in excluded]
    column = choose_column(free, SENTENCE_ROW, None, table.name)
    if column is None:
        raise UsageError(
            f"{table.name} has one word in each row, but no column with sentence numbers; "
            "call it sentence_id, or write a sentence in each row (the columns are "
            f"{listed(table.columns)})."
        )
    return column


def sentences(
    table: Table, column: str, read: Callable[[Record], tuple[str, str]]
) -> Iterator[tuple[Record, tuple[str, ...], tuple[str, ...]]]:
    """The first record, words and tags of each sentence: of rows with the same number, or without
    one, which follow each other.

    Args:
        table: with one word in each row.
        column: that numbers the sentences; often only in their first rows.
        read: returns the word and the tag of a record.

    Raises:
        UsageError: the rows of sentences are mixed.
    """
    rows: _Rows | None = None
    numbers: set[str] = set()
    again = 0
    for record in table.read():
        value = record.values.get(column)
        number = None if is_missing(value) else str(value)
        if rows is None or (number is not None and number != rows.number):
            if rows is not None and not rows.damaged:
                yield rows.first, tuple(rows.words), tuple(rows.tags)
            if number is None:
                raise UsageError(
                    f"{record.name}: the first row has no sentence number in {column!r}."
                )
            again += number in numbers
            numbers.add(number)
            rows = _Rows(record, number)
        try:
            word, tag = read(record)
        except RecordError as error:
            records.report(error, table.reading.problems)
            rows.damaged = True
        else:
            rows.words.append(word)
            rows.tags.append(tag)
    if again > len(numbers):  # a few: the numbers begin anew in each document
        raise UsageError(
            f"{table.name}: the rows of the sentences in {column!r} are mixed; sort the "
            "table by that column."
        )
    if rows is not None and not rows.damaged:
        yield rows.first, tuple(rows.words), tuple(rows.tags)
