"""Questions with contexts and answers, from files in SQuAD's format.

Source: Rajpurkar, Jia, Liang, "Know What You Don't Know: Unanswerable Questions for SQuAD" (2018); a question without
answers has `is_impossible` or an empty list of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from warmstart.errors import InputError, UsageError


class Question(NamedTuple):
    """A question, the text that holds its answer, and the right answers as (text, first character)."""

    question: str
    context: str
    answers: tuple[tuple[str, int], ...]


def questions(data: Any) -> list[Question]:
    """Questions.

    Args:
        data: the path of a JSON file in SQuAD's format (`data`, `paragraphs`, `qas`), or `Question`s.

    Raises:
        UsageError: the file cannot be opened, or holds no questions.
        InputError: it is damaged, or an answer does not stand where it says.
    """
    if not isinstance(data, str | Path):
        found = [one if isinstance(one, Question) else Question(*one) for one in data]
    else:
        path = Path(data)
        try:
            content = json.loads(path.read_text("utf-8"))
            found = list(_read(content))
        except OSError as error:
            raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error
        except (ValueError, RecursionError, KeyError, TypeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise InputError(f"{path}: is not in SQuAD's format ({reason})", str(path)) from error
    for number, one in enumerate(found, 1):
        for text, start in one.answers:
            if one.context[start:start + len(text)] != text:
                raise InputError(f"question {number}: the answer {text!r} is not at character {start} of its context",
                                 f"question {number}")
    if not found:
        raise UsageError("There are no questions in the data.")
    return found


def _read(content: Any) -> Iterator[Question]:
    for article in content["data"]:
        for paragraph in article["paragraphs"]:
            for asked in paragraph["qas"]:
                answers = [] if asked.get("is_impossible") else asked.get("answers", [])
                yield Question(asked["question"], paragraph["context"],
                               tuple((answer["text"], int(answer["answer_start"])) for answer in answers))
