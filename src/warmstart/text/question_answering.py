"""Question answering: question and context → overlapping windows → engine → the best span →
`Answer`.
"""

from __future__ import annotations

import os
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeAlias, overload

import numpy as np

from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared, Row
from warmstart.core.options import BatchOptions, Option, takes
from warmstart.core.results import Failed
from warmstart.errors import InputError
from warmstart.text import squad
from warmstart.text.encoder import TextModel, softmax
from warmstart.text.inputs import Pair, QuestionInput, shown
from warmstart.text.results import Answer
from warmstart.text.tokenizer import Encoded

OVERLAP = 0.25
"""Share of a window's tokens that are also in the window before."""
CLS = 0

Characters: TypeAlias = tuple[int, int]
"""Start and end of a span in the context."""


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(BatchOptions):
    """Options of question answering."""

    top_k: Annotated[int, Option("Answers returned, best first.", ge=1, short="-k")] = 1
    max_answer_tokens: Annotated[int, Option("Tokens of an answer at most.", ge=1)] = 30
    no_answer: Annotated[
        bool, Option('Whether "there is none" competes with the spans, as in SQuAD 2.')
    ] = False


class QuestionAnswerer(TextModel[QuestionInput, Answer, AnswerOptions]):
    """Finds the answer to a question in a context, of any length.

    Example:
        >>> model = ws.load("hf://distilbert/distilbert-base-cased-distilled-squad")
        >>> model(("Where does Ann live?", "Ann moved to Paris in May.")).text
        'Paris'
    """

    task = "question-answering"
    options = AnswerOptions
    result = Answer

    @overload
    @takes(AnswerOptions)
    def __call__(self, question: QuestionInput, options: AnswerOptions) -> Answer: ...
    @overload
    @takes(AnswerOptions)
    def __call__(
        self, question: Several[QuestionInput], options: AnswerOptions
    ) -> list[Answer | Failed]: ...
    @takes(AnswerOptions)
    def __call__(self, question: Any, options: AnswerOptions) -> Any:
        """Answer a question, or a list of questions.

        Args:
            question: a tuple (question, context), or a mapping with these keys.

        Returns:
            One `Answer`, with those after the best in `Answer.others`; for a list a list, in which
            an unusable question is a `Failed` at its index.

        Raises:
            InputError: the one question is unusable.
            UsageError: an option is wrong, or `question` stands for many questions and is no list.
        """
        return self.predict(question, options)

    @takes(AnswerOptions)
    def stream(
        self, questions: Iterable[QuestionInput] | os.PathLike[str], options: AnswerOptions
    ) -> Iterator[Answer | Failed]:
        """Answer the questions of an iterator, in order, in constant memory."""
        return self.predict_stream(questions, options)

    def windows(self, text: str | Pair, name: str = "") -> Sequence[Encoded]:
        """A context that is too long becomes overlapping windows, each behind the whole question."""
        if not isinstance(text, Pair):
            reason = "must be a question and a context: (question, context)"
            raise InputError(f"{name}: {reason}", name)
        stride = int(OVERLAP * self.max_length)
        return self.tokenizer.windows(
            text.text, text.pair, limit=self.max_length, name=name, stride=stride
        )

    def decode(self, prepared: Prepared, outputs: Any, options: AnswerOptions) -> Answer:
        return self.answer(prepared.context.text, prepared.context.encoded, outputs, options)

    def answer(
        self, text: Pair, windows: Sequence[Encoded], rows: Sequence[Row], options: AnswerOptions
    ) -> Answer:
        """The best spans of all windows; in each, a span's score is the product of the shares of
        its ends.
        """
        scores: dict[Characters, float] = {}
        null_score = 1.0
        for window, row in zip(windows, rows, strict=True):
            spans, null = _spans(window, row, options)
            null_score = min(null_score, null)
            for span, score in spans:
                scores[span] = max(scores.get(span, 0.0), score)
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        if options.no_answer:
            ranked = sorted([*ranked, ((0, 0), null_score)], key=lambda item: -item[1])
        name = shown(text)
        answers = [
            Answer(name, self.name, text.pair[start:end], start, end, score)
            for (start, end), score in ranked[: options.top_k]
        ]
        if not answers:
            return Answer(name, self.name, "", 0, 0, 0.0)
        return replace(answers[0], others=tuple(answers[1:]))

    def evaluate(
        self, data: Any, *, batch_size: int | None = None, progress: Any = None
    ) -> dict[str, Any]:
        """Exact match and F1, as SQuAD counts them.

        Args:
            data: the path of a file in SQuAD's format; see `text.squad`.
            batch_size: windows per call of the engine.
            progress: called with (name of the model, questions so far, questions in all).

        Returns:
            `exact` and `f1` (0 to 1), `count`, `errors`.
        """
        questions = squad.questions(data)
        no_answer = any(not question.answers for question in questions)
        scores = np.zeros(2)
        errors: list[str] = []
        pairs = ((question.question, question.context) for question in questions)
        results = self.stream(pairs, no_answer=no_answer, batch_size=batch_size)
        for done, (question, result) in enumerate(zip(questions, results, strict=True), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                scores += judged(result.text, [text for text, _ in question.answers] or [""])
            if progress:
                progress(self.name, done, len(questions))
        count = len(questions) - len(errors)
        exact, f1 = (float(total) / max(count, 1) for total in scores)
        return {"exact": exact, "f1": f1, "count": count, "errors": errors}


def _spans(
    window: Encoded, row: Row, options: AnswerOptions
) -> tuple[list[tuple[Characters, float]], float]:
    """The best spans of a window with their scores, and the score of having no answer."""
    inside = np.flatnonzero(window.sequences == 1)
    if not len(inside):
        return [], 1.0
    candidates = np.append(inside, CLS) if options.no_answer else inside
    start, end = (softmax(row[name][candidates]) for name in ("start_logits", "end_logits"))
    null_score = float(start[-1] * end[-1]) if options.no_answer else 0.0
    count = len(inside)
    products = start[:count, None] * end[None, :count]
    length = np.arange(count)[None, :] - np.arange(count)[:, None]
    products[(length < 0) | (length >= options.max_answer_tokens)] = 0
    spans = []
    for index in np.argsort(-products, axis=None, kind="stable")[: options.top_k]:
        first, last = divmod(int(index), count)
        if products[first, last] > 0:
            start_character = int(window.offsets[inside[first], 0])
            end_character = int(window.offsets[inside[last], 1])
            spans.append(((start_character, end_character), float(products[first, last])))
    return spans, null_score


def judged(answer: str, references: Sequence[str]) -> tuple[float, float]:
    """(exact match, F1) of an answer against the right ones, of which the best counts.

    Source: Rajpurkar et al., "SQuAD" (2016), section 6.1: articles, punctuation and case do not
    count.
    """
    exact = max(float(_normalized(answer) == _normalized(one)) for one in references)
    return exact, max(_f1(answer, one) for one in references)


def _f1(answer: str, reference: str) -> float:
    predicted, expected = _normalized(answer).split(), _normalized(reference).split()
    if not predicted or not expected:
        return float(predicted == expected)
    common = sum((Counter(predicted) & Counter(expected)).values())
    return 2 * common / (len(predicted) + len(expected))


def _normalized(text: str) -> str:
    letters = "".join(
        character for character in text.lower() if character not in string.punctuation
    )
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", letters).split())
