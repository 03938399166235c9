"""Tagged sentences: CoNLL files, tables and datasets; and how tags are scored.

A CoNLL file has a word and its tag in each line, and an empty line between sentences. Source of
the score: Tjong Kim Sang, De Meulder, "Introduction to the CoNLL-2003 Shared Task" (2003),
section 2.3.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.records.columns import TAGS, TOKENS
from warmstart.core.records.encodings import file_lines
from warmstart.core.records.membership import Assigned
from warmstart.core.records.record import Record
from warmstart.core.records.table import Table
from warmstart.core.records.values import as_list, class_name, structure
from warmstart.counts import counted
from warmstart.errors import RecordError, UsageError
from warmstart.text import tag_columns, word_rows
from warmstart.text.tags import OUTSIDE, Scheme, scheme_of

DOCUMENT = "-DOCSTART-"
"""The beginning of a line that separates documents."""
CONLL_U = 10
"""Columns of CoNLL-U, a format of treebanks."""
TABLES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
"""Files with a sentence in each record; `.tsv` is CoNLL's."""


@dataclass(frozen=True)
class Sentence(Assigned):
    """Words and their tags, such as `B-person`, `I-person` and `O`.

    Attributes:
        words, tags: of equal length.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]


def sentences(data: Any, **keywords: Any) -> list[Sentence]:
    """Tagged sentences.

    Args:
        data: a file whose lines hold a word, spaces or a tab, and the tag last; a CSV, JSONL,
            JSON or Parquet file, a table or dataset with the columns `tokens` and `tags` (or
            `ner_tags`), see `core.records.read_table`; or (words, tags) pairs. In a CSV file
            words and tags are lists as JSON or Python writes them, or have spaces between them. A
            table with one word a row needs a column that numbers the sentences (`sentence_id`,
            `Sentence #`).
        **keywords: see `core.records.Reading`.

    Raises:
        UsageError: the file cannot be opened, or holds no sentences.
        InputError: a line has no tag, or a sentence has not as many tags as words.
    """
    reading = records.Reading(**keywords)
    if isinstance(data, str | os.PathLike) and not os.fsdecode(data).lower().endswith(TABLES):
        path = Path(os.fsdecode(data))
        rows = list(_read(path, reading))
        if not rows:
            raise UsageError(f"{path} contains no tagged sentences{_first(reading.problems)}.")
        tag_columns.check_order(rows, path)
        tag_columns.check_single(rows, path)
        word = 1 if all(map(_is_numbered, rows)) and max(map(len, rows)) > 1 else 0
        return [
            Sentence(
                tuple(_visible(row[word]) for row in sentence_rows),
                tuple(row[-1] for row in sentence_rows),
            )
            for sentence_rows in rows
        ]
    table = records.read_table(data, (TOKENS, TAGS), reading=reading, example_rank=1)
    tokens, tags = table.recognise(TOKENS, TAGS)
    if word_rows.has_word_rows(table, tokens):
        number = word_rows.sentence_column(table, (tokens, tags))
        read_word = partial(_word_and_tag, table, tokens, tags)
        grouped = word_rows.sentences(table, number, read_word)
        return [
            Sentence(words, names, **table.membership(record)._asdict())
            for record, words, names in grouped
        ]

    def sentence(record: Record) -> Sentence:
        words = tuple(_word(record, word) for word in _elements(table, record, tokens, "tokens"))
        names = tuple(
            _tag(table, record, tags, tag) for tag in _elements(table, record, tags, "tags")
        )
        if len(words) != len(names) or not words:
            raise record.error(
                f"has {counted(len(words), 'word')} and {counted(len(names), 'tag')}"
            )
        return Sentence(words, names, **table.membership(record)._asdict())

    return list(table.map(sentence))


def _word_and_tag(table: Table, tokens: str, tags: str, record: Record) -> tuple[str, str]:
    """The word and the tag of a record that has one of each."""
    return _word(record, table.text(record, tokens, "word")), _tag(
        table, record, tags, table.cell(record, tags, "tag")
    )


def _elements(table: Table, record: Record, column: str, what: str) -> list[Any]:
    value = table.cell(record, column, what)
    elements = as_list(value)
    if elements is None and isinstance(value, str):
        try:
            elements = as_list(structure(value))
        except ValueError as error:
            raise record.error(f"the list of {what} {error}") from None
    if elements is None and isinstance(value, str):
        elements = list(value.split())
    if elements is None:
        raise record.error(
            f"the {what} are not a list but an object of type {type(value).__name__}"
        )
    return elements


def _word(record: Record, word: Any) -> str:
    if isinstance(word, bytes):
        word = word.decode("utf-8", "replace")
    if not isinstance(word, str):
        raise record.error(f"the word {word!r:.40} is not a string")
    if not word:
        raise record.error("has an empty word; remove it with its tag")
    return _visible(word.strip())


def _tag(table: Table, record: Record, column: str, tag: Any) -> str:
    names = table.class_names.get(column)
    if names is None and not isinstance(tag, str | bytes):
        raise record.error(
            f"the tag {tag!r:.40} is not a name such as 'B-PER' or 'O'; use names instead of "
            "numbers"
        )
    try:
        return class_name(tag, names)
    except ValueError as error:
        raise record.error(f"has a tag that {error}") from None


def _read(path: Path, reading: records.Reading) -> Iterator[list[list[str]]]:
    """The rows of each sentence of a file: the word first, or after its number; the tag last."""
    rows: list[list[str]] = []
    damaged = False
    columns = _Columns(reading.delimiter)
    for number, line in enumerate(chain(file_lines(path, reading.encoding), [""]), 1):
        line = line.rstrip("\r\n")
        name = f"{path}:{number}"
        if not line.strip() or line.startswith(DOCUMENT):
            if rows and not damaged:
                yield rows
            rows, damaged = [], False
            continue
        row = columns.split(line)
        if not rows and _is_comment(row):
            continue
        if len(row) < 2 or not row[-1] or not columns.fits(row):
            records.report(RecordError(f"{name}: {columns.fault(row)}", name), reading.problems)
            damaged = True
        elif len(row) == CONLL_U and row[-1] == "_" and row[0].isdecimal():
            raise RecordError(
                f"{name}: is CoNLL-U, which has no entity tags in its last column", name
            )
        rows.append(row)


def _is_numbered(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the words of a sentence are preceded by their numbers."""
    numbers = [str(number) for number in range(1, len(rows) + 1)]
    return len(rows[0]) > 2 and [row[0] for row in rows] == numbers


def _first(problems: Sequence[str] | None) -> str:
    return f"; the first problem: {problems[0]}" if problems else ""


def _visible(word: str) -> str:
    return word if word.strip() else "\N{REPLACEMENT CHARACTER}"


def _is_comment(row: Sequence[str]) -> bool:
    """Whether the first line of a sentence is a comment, and not the token "#" with its tag."""
    is_tag = row[-1] == OUTSIDE or scheme_of([row[-1]]).has_prefixes
    return row[0].startswith("# ") or (row[0] == "#" and not is_tag)


class _Columns:
    """Splits lines at tabs, else at spaces, else at the one other delimiter that they have.

    Other white space, such as a no-break space or a Unicode line separator, belongs to a word.
    """

    def __init__(self, delimiter: str | None):
        self._delimiter = delimiter
        self._width, self._by_spaces = 0, False

    def fits(self, row: Sequence[str]) -> bool:
        """Whether a row has as many columns as the first one, if columns are separated by spaces: a
        word with a space would be cut.
        """
        if not self._by_spaces:
            return True
        self._width = self._width or len(row)
        return len(row) == self._width

    def fault(self, row: Sequence[str]) -> str:
        """The message on a row that has no tag, or another number of columns."""
        if len(row) < 2 or not row[-1]:
            reason = "has no tag after the word; separate the two by a tab or a space"
            return f"{reason}, or set delimiter="
        return (
            f"has {counted(len(row), 'column')}, but the first line has {self._width}; separate columns by "
            "tabs if words contain spaces"
        )

    def split(self, line: str) -> list[str]:
        if self._delimiter is None and not line.startswith("#"):
            self._delimiter = self._detect(line)
        delimiter = self._delimiter or ("\t" if "\t" in line else " ")
        self._by_spaces = delimiter == " "
        if delimiter == " ":
            return re.split("[ \t]+", line.strip(" \t"))
        parts = [part.strip(" ") for part in line.split(delimiter)]
        if len(parts) > 2 and not any(parts[:-1]):  # the word is the delimiter itself
            return [delimiter, parts[-1]]
        return parts

    @staticmethod
    def _detect(line: str) -> str:
        """The delimiter of the first line if it has no tabs and spaces; else ""."""
        if "\t" in line or " " in line.strip():
            return ""
        return next((mark for mark in (",", ";", "|") if mark in line.strip()[1:]), "")


def scores(
    truth: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    labels: Iterable[str] = (),
) -> dict[str, float]:
    """`f1`, `precision` and `recall` of whole entities, and `accuracy` of tags, each 0 to 1.

    Args:
        truth, predicted: the tags of the words of each sentence; the two may have different
            schemes, see `text.tags`.
        labels: of the model that predicted; default: the tags that occur.
    """
    true_scheme = scheme_of(tag for tags in truth for tag in tags)
    scheme = scheme_of(labels or (tag for tags in predicted for tag in tags))
    if true_scheme == Scheme(has_prefixes=False) and not any(map(true_scheme.entities, truth)):
        true_scheme = scheme  # there are no entities
    correct = true = positives = equal = count = 0
    for expected, tags in zip(truth, predicted, strict=True):
        true_entities, entities = set(true_scheme.entities(expected)), set(scheme.entities(tags))
        correct += len(true_entities & entities)
        true += len(true_entities)
        positives += len(entities)
        if scheme.name != true_scheme.name:
            tags = true_scheme.encode(entities, len(tags))
        equal += sum(a == b for a, b in zip(expected, tags, strict=True))
        count += len(expected)
    precision = correct / max(positives, 1)
    recall = correct / max(true, 1)
    return {
        "f1": 2 * precision * recall / max(precision + recall, 1e-12),
        "precision": precision,
        "recall": recall,
        "accuracy": equal / max(count, 1),
    }
