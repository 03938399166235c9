"""Unlabelled texts, and pairs or triplets of texts, from files, tables and lists."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.inputs import Item
from warmstart.core.reading import check_exists
from warmstart.core.records.columns import ANCHOR, NEGATIVE, POSITIVE, TEXT, Field
from warmstart.core.records.membership import Assigned
from warmstart.core.records.record import Record
from warmstart.counts import counted
from warmstart.errors import RecordError, UsageError
from warmstart.text import files
from warmstart.text.pair_labels import is_match, pair_label


@dataclass(frozen=True)
class TextExample(Assigned):
    """One text, or a pair or triplet of texts.

    Attributes:
        name: of its record, for messages.
        texts: one text; or an anchor, a positive, and optionally a negative.
    """

    name: str
    texts: tuple[str, ...]


def texts(data: Any, **keywords: Any) -> list[TextExample]:
    """Single texts.

    Args:
        data: a `.txt` file with one text per line, a list of strings, or a table or dataset with a
            column of texts; see `core.records.read_table`.
        **keywords: see `core.records.Reading`.

    Raises:
        UsageError: the file cannot be opened, or there are no texts.
    """
    reading = records.Reading(**keywords)
    problems = reading.problems
    if isinstance(data, str | os.PathLike) and not records.is_table(data):
        rows: Iterable[Any] = ((item.name, item.value) for item in _lines(Path(data)))
        return _require_usable(list(_text_examples(rows, problems)), problems)
    if not records.is_table(data) and not hasattr(data, "as_numpy_iterator"):
        listed = list(data)
        if all(isinstance(text, str) for text in listed):
            numbered = ((f"text {number}", text) for number, text in enumerate(listed, 1))
            return _require_usable(list(_text_examples(numbered, problems)), problems)
        data = listed
    table = records.read_table(data, (TEXT,), reading=reading)
    table.find_split()
    text = records.text_column(table)
    table.describe({"text": text})

    def read(record: Record) -> TextExample:
        texts = (table.text(record, text),)
        return TextExample(record.name, texts, **table.membership(record)._asdict())

    return _require_usable(list(table.map(read)), problems)


def pairs(data: Any, **keywords: Any) -> list[TextExample]:
    """Pairs (anchor, positive), or triplets with a negative.

    Args:
        data: a table or dataset with the columns `anchor` (or `query`, `question`, `sentence1`),
            `positive` (or `answer`, `passage`, `sentence2`), and perhaps `negative`; or tuples. A
            column `label` with 1 and 0, or entailment, contradiction and neutral, says which pairs
            belong together. The others are the negatives of the same anchors if each anchor has one,
            and are left out otherwise.
        **keywords: see `core.records.Reading`.

    Raises:
        UsageError: a column is missing or says something else, there are no pairs, or only some
            have a negative.
    """
    reading = records.Reading(**keywords)
    layouts: list[tuple[Field, ...]] = [(ANCHOR, POSITIVE), (ANCHOR, POSITIVE, NEGATIVE)]
    if not records.is_table(data) and not hasattr(data, "as_numpy_iterator"):
        data = data if isinstance(data, str | os.PathLike) else list(data)
        if isinstance(data, list) and data and len(data[0]) > 2:
            layouts.reverse()
    table = records.read_table(data, *layouts, reading=reading)
    names = [table.column(ANCHOR), table.column(POSITIVE)]
    negative = table.optional_column(NEGATIVE)
    table.find_split()
    chosen = {"anchor": names[0], "positive": names[1], "negative": negative}
    names += [negative] if negative is not None else []
    label = pair_label(table, names)
    table.describe({**chosen, "label": label})

    def read(record: Record) -> tuple[TextExample, bool | None]:
        texts = tuple(table.text(record, name) for name in names)
        matches = True if label is None else is_match(table, record, label)
        example = TextExample(record.name, texts, **table.membership(record)._asdict())
        return example, matches

    labelled = list(table.map(read))
    examples = [example for example, matches in labelled if matches]
    if len(examples) < len(labelled):
        examples = _with_negatives(examples, labelled, reading.columns)
        if not examples:
            raise UsageError(f"{table.name}: no pair matches, according to {label!r}.")
    return _require_usable(examples, reading.problems)


def _with_negatives(
    examples: list[TextExample],
    labelled: list[tuple[TextExample, bool | None]],
    columns: list[str] | None,
) -> list[TextExample]:
    """Triplets if each anchor has a negative; else the pairs."""
    negatives: dict[str, list[str]] = {}
    for example, matches in labelled:
        if matches is False:
            anchor, other = example.texts
            negatives.setdefault(anchor, []).append(other)
    complete = all(example.texts[0] in negatives for example in examples)
    if columns is not None:
        count = len(labelled) - len(examples)
        use = "the negatives of the same anchors" if complete else "left out"
        verb = ("does", "is") if count == 1 else ("do", "are")
        columns.append(f"{counted(count, 'pair')} {verb[0]} not match and {verb[1]} {use}")
    if not complete:
        return examples
    uses: Counter[str] = Counter()
    triplets: list[TextExample] = []
    for example in examples:
        anchor = example.texts[0]
        others = negatives[anchor]
        triplets.append(
            replace(example, texts=(*example.texts, others[uses[anchor] % len(others)]))
        )
        uses[anchor] += 1
    return triplets


def _lines(path: Path) -> Iterator[Item]:
    check_exists(path)
    if not path.is_file() or path.suffix.lower() != ".txt":
        raise UsageError(
            f"{path} is not a .txt file with one text per line, nor a table ({', '.join(records.SUFFIXES)})."
        )
    return files.lines(str(path))


def _text_examples(
    rows: Iterable[tuple[str, Any]], problems: list[str] | None
) -> Iterator[TextExample]:
    for name, value in rows:
        try:
            text = value.decode() if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            records.report(RecordError(f"{name}: is not UTF-8", name), problems)
            continue
        if text.strip():
            yield TextExample(name, (text,))
        else:
            records.report(RecordError(f"{name}: is empty", name), problems)


def _require_usable(examples: list[TextExample], problems: list[str] | None) -> list[TextExample]:
    records.require_usable("text", len(examples), problems or ())
    if not examples:
        raise UsageError("The data contains no texts.")
    return examples
