"""Questions with contexts and answers: files in SQuAD's format, tables and datasets.

Source: Rajpurkar, Jia, Liang, "Know What You Don't Know: Unanswerable Questions for SQuAD"
(2018); a question without answers has `is_impossible` or an empty list of them.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmstart.core import records
from warmstart.core.records.columns import (
    ANSWER_START,
    ANSWERS,
    CONTEXT,
    QUESTION,
    choose_column,
)
from warmstart.core.records.encodings import file_lines
from warmstart.core.records.json_lines import json_value
from warmstart.core.records.membership import Assigned
from warmstart.core.records.record import Record
from warmstart.core.records.table import Table
from warmstart.core.records.values import as_list, is_missing, structure
from warmstart.errors import RecordError, UsageError

_ARRAY = re.compile(r"array\((\[[^\[\]]*\])(?:, dtype=\w+)?\)")
"""An array of NumPy, as pandas writes it into a CSV file."""


@dataclass(frozen=True)
class Question(Assigned):
    """A question, its context, and the right answers as (text, first character).

    Attributes:
        question, context, answers: what is learned.
    """

    question: str
    context: str
    answers: tuple[tuple[str, int], ...]


def questions(data: Any, **keywords: Any) -> list[Question]:
    """Questions with their contexts and answers.

    Args:
        data: a file in the format of SQuAD 1.1 or 2.0 (`data`, `paragraphs`, `qas`; also with flat
            questions and their contexts); a table or dataset with the columns `question`,
            `context` and `answers`, see `core.records.read_table`; or tuples of these. Answers are a
            mapping of two lists, `text` and `answer_start`, or a list of such mappings with one of
            each; or one text, whose start is in a column `answer_start`, or is known where the
            context has the text once only.
        **keywords: see `core.records.Reading`.

    Raises:
        UsageError: the file cannot be opened, or holds no questions.
        InputError: it is damaged, or an answer is not where it should be.
    """
    reading = records.Reading(**keywords)
    if isinstance(data, str | os.PathLike) and _is_squad(Path(data)):
        data = _of_squad(Path(data), reading.encoding)
    layout = (QUESTION, CONTEXT, ANSWERS)
    table = records.read_table(data, layout, reading=reading, optional=(ANSWER_START,))
    question, context, answers = table.recognise(*layout)
    start = None
    if not table.positional:
        start = choose_column(table.columns, ANSWER_START, None, table.name)

    def read(record: Record) -> Question:
        text = table.text(record, context, "context")
        spans = _answers(table, record, answers, start, text)
        for answer, first in spans:
            if first < 0 or text[first : first + len(answer)] != answer:
                index = text.find(answer)
                hint = f"; it begins at character {index}" if answer and index >= 0 else ""
                raise record.error(
                    f"{_id_of(record)}the answer {answer!r:.60} is not at character {first} of its "
                    f"context{hint}"
                )
        question_text = table.text(record, question, "question")
        return Question(question_text, text, spans, **table.membership(record)._asdict())

    read_questions = list(table.map(read))
    if not read_questions and not reading.problems:
        raise UsageError("The data contains no questions.")
    return read_questions


def _id_of(record: Record) -> str:
    """The id of a record that has one, for messages."""
    number = record.values.get("id")
    is_shown = isinstance(number, str | int) and str(number) not in record.name
    return f"question {number}: " if is_shown else ""


def _is_squad(path: Path) -> bool:
    """Whether a file is in SQuAD's format: an object, and not one for each question."""
    if path.suffix.lower() != ".json":
        return not records.is_table(path)
    line = next(file_lines(path), "")
    if not line.lstrip().startswith("{"):
        return not line.lstrip().startswith("[")
    first = json_value(line, "")  # an error where the object goes on in the next line
    return not isinstance(first, Mapping) or "data" in first


def _of_squad(path: Path, encoding: str | None) -> Table:
    try:
        content = json.loads("".join(file_lines(path, encoding)))
        rows = list(_squad_rows(content, path))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        reason = f"{type(error).__name__}: {error}"
        raise RecordError(f"{path}: is not in SQuAD's format ({reason})", str(path)) from error
    if not rows:
        raise UsageError(f"There are no questions in {path}.")
    return Table(str(path), ("question", "context", "answers"), iter(rows))


def _squad_rows(content: Any, path: Path) -> Iterator[Record]:
    number = 0
    for article in content["data"]:
        is_flat = "paragraphs" not in article and "question" in article
        for paragraph in [{**article, "qas": [article]}] if is_flat else article["paragraphs"]:
            for entry in paragraph["qas"]:
                number += 1
                answers = [] if entry.get("is_impossible") else entry.get("answers", [])
                name = f"{path}: question {entry.get('id', number)}"
                for key, holder in (("question", entry), ("context", paragraph)):
                    if key not in holder:
                        raise RecordError(f"{name}: has no {key!r}", name)
                values = {"question": entry["question"], "context": paragraph["context"]}
                yield Record(name, {**values, "answers": answers})


def _answers(
    table: Table, record: Record, column: str, start_column: str | None, context: str
) -> tuple[tuple[str, int], ...]:
    """The answers of a record, with their first characters.

    Raises:
        RecordError: they have none of the forms, or it is unknown where one begins.
    """
    value = record.values.get(column)
    if isinstance(value, str):
        try:
            written = structure(_ARRAY.sub(r"\1", value))
            value = value if written is None else written
        except ValueError as error:
            raise record.error(f"the answer {error}") from None
    if isinstance(value, Mapping):
        texts, starts = (as_list(value.get(key)) for key in ("text", "answer_start"))
        if texts is None or starts is None or len(texts) != len(starts):
            raise record.error(
                "the answers are not {'text': […], 'answer_start': […]} of equal lengths"
            )
        return tuple(_span(record, text, start) for text, start in zip(texts, starts, strict=True))
    elements = as_list(value)
    if elements is not None:
        return tuple(_element(record, element) for element in elements)
    if is_missing(value):
        if str(record.values.get("is_impossible", "")).lower() in ("1", "1.0", "true"):
            return ()
        raise record.error(
            f"{_id_of(record)}has no answer (the column {column!r} is empty); fill it in, or write [] if the "
            "context does not answer the question"
        )
    text = table.text(record, column, "answer")
    if start_column is not None and not is_missing(record.values.get(start_column)):
        return (_span(record, text, record.values[start_column]),)
    if text not in context:
        raise record.error(f"{_id_of(record)}the context does not contain the answer {text!r:.60}")
    if context.count(text) != 1:
        raise record.error(
            f"the context has the answer {text!r:.60} {context.count(text)} times; add its "
            "first character in a column answer_start"
        )
    return ((text, context.index(text)),)


def _element(record: Record, element: Any) -> tuple[str, int]:
    if isinstance(element, Mapping):
        return _span(record, element.get("text"), element.get("answer_start"))
    if isinstance(element, tuple | list) and len(element) == 2:
        return _span(record, *element)
    raise record.error(f"the answer {element!r:.60} is not {{'text': …, 'answer_start': …}}")


def _span(record: Record, text: Any, start: Any) -> tuple[str, int]:
    try:
        number = float(start)  # 13.0 in a column of pandas with a missing value
        if not isinstance(text, str) or isinstance(start, bool) or int(number) != number:
            raise TypeError
        return text, int(number)
    except (TypeError, ValueError, OverflowError):
        raise record.error(
            f"the answer {text!r:.60} at {start!r:.20} is not a text and its first character"
        ) from None
