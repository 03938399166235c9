"""Tagged sentences: CoNLL files, tables and datasets; and how tags are scored.

A CoNLL file has a word and its tag in each line, and an empty line between sentences. Source of
the score: Tjong Kim Sang, De Meulder, "Introduction to the CoNLL-2003 Shared Task" (2003),
section 2.3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from warmstart.core import records
from warmstart.core.records.columns import TAGS, TOKENS
from warmstart.core.records.encodings import decoded_lines
from warmstart.core.records.table import Record, Table
from warmstart.core.records.values import as_list, class_name
from warmstart.errors import RecordError, UsageError

TABLES = (".csv", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
"""Files with a sentence in each record; `.tsv` is CoNLL's."""


class Sentence(NamedTuple):
    """Words and their tags, such as `B-person`, `I-person` and `O`."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


def sentences(
    data: Any,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    problems: list[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> list[Sentence]:
    """Tagged sentences.

    Args:
        data: a file whose lines hold a word, spaces or a tab, and the tag last; a CSV, JSONL,
            JSON or Parquet file, a table or dataset with the columns `tokens` and `tags` (or
            `ner_tags`), see `core.records.read_table`; or (words, tags) pairs. In a CSV file
            words and tags are JSON lists, or have spaces between them.
        text_column, label_column: of the tokens and the tags, where their names are not the usual
            ones.
        problems: takes what is wrong with unusable sentences, which are left out; default: the
            first one is raised.
        encoding, delimiter: of a file, where they are not recognised.

    Raises:
        UsageError: the file cannot be opened, or holds no sentences.
        InputError: a line has no tag, or a sentence has not as many tags as words.
    """
    if isinstance(data, str | os.PathLike) and not os.fsdecode(data).lower().endswith(TABLES):
        path = Path(os.fsdecode(data))
        found = list(_read(path, encoding, problems))
        if not found:
            raise UsageError(f"{path} holds no tagged sentences.")
        return found
    table = records.read_table(
        data,
        (TOKENS, TAGS),
        named=(text_column, label_column),
        encoding=encoding,
        delimiter=delimiter,
        example_rank=1,
    )
    tokens, tags = table.column(TOKENS, text_column), table.column(TAGS, label_column)

    def sentence(record: Record) -> Sentence:
        words = tuple(_word(record, word) for word in _elements(table, record, tokens, "tokens"))
        names = tuple(
            _tag(table, record, tags, tag) for tag in _elements(table, record, tags, "tags")
        )
        if len(words) != len(names) or not words:
            raise record.error(f"has {len(words)} words and {len(names)} tags")
        return Sentence(words, names)

    return list(table.map(sentence, problems))


def _elements(table: Table, record: Record, column: str, what: str) -> list[Any]:
    value = table.cell(record, column, what)
    elements = as_list(value)
    if elements is None and isinstance(value, str) and value.lstrip().startswith("["):
        try:
            elements = as_list(json.loads(value))
        except (ValueError, RecursionError):
            elements = None
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
    return word.strip() or "\N{REPLACEMENT CHARACTER}"


def _tag(table: Table, record: Record, column: str, tag: Any) -> str:
    names = table.class_names.get(column)
    if names is None and not isinstance(tag, str | bytes):
        raise record.error(
            f"the tag {tag!r:.40} is not a name such as 'B-PER' or 'O'; give names in place of numbers"
        )
    try:
        return class_name(tag, names)
    except ValueError as error:
        raise record.error(f"has a tag that {error}") from None


def _read(path: Path, encoding: str | None, problems: list[str] | None) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    damaged = False
    for number, line in enumerate(_lines(path, encoding), 1):
        line = line.rstrip("\r\n")
        parts = line.split("\t") if "\t" in line else line.split()
        if not any(part.strip() for part in parts) or parts[0] == "-DOCSTART-":
            if words and not damaged:
                yield Sentence(tuple(words), tuple(tags))
            words, tags, damaged = [], [], False
        elif len(parts) < 2 or not parts[-1].strip():
            name = f"{path}:{number}"
            records.report(RecordError(f"{name}: has no tag after the word", name), problems)
            damaged = True
        else:
            words.append(parts[0].strip() or "\N{REPLACEMENT CHARACTER}")
            tags.append(parts[-1].strip())


def _lines(path: Path, encoding: str | None) -> Iterator[str]:
    """The lines of a file, and an empty one behind them."""
    try:
        with path.open("rb") as file:
            yield from decoded_lines(file, str(path), encoding)
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error
    yield ""


def spans(tags: Sequence[str]) -> set[tuple[str, int, int]]:
    """(label, first word, word behind the last) of each entity in the tags of a sentence.

    `I-` after `O` begins an entity, too.
    """
    entities: set[tuple[str, int, int]] = set()
    label, start = "", 0
    for index, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if label and (tag == "O" or prefix == "B" or name != label):
            entities.add((label, start, index))
            label = ""
        if tag != "O" and not label:
            label, start = name, index
    return entities


def scores(truth: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> dict[str, float]:
    """`f1`, `precision` and `recall` of whole entities, and `accuracy` of tags, each 0 to 1."""
    true_positives = true = positives = equal = tags = 0
    for expected, tagged in zip(truth, predicted, strict=True):
        entities, found = spans(expected), spans(tagged)
        true_positives += len(entities & found)
        true += len(entities)
        positives += len(found)
        equal += sum(a == b for a, b in zip(expected, tagged, strict=True))
        tags += len(expected)
    precision = true_positives / max(positives, 1)
    recall = true_positives / max(true, 1)
    return {
        "f1": 2 * precision * recall / max(precision + recall, 1e-12),
        "precision": precision,
        "recall": recall,
        "accuracy": equal / max(tags, 1),
    }
