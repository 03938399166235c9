"""Question answering: question and context → overlapping windows → engine → the best span →
`Answer`.
"""

from __future__ import annotations

import os
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.core import records
from warmstart.core.evaluation import Evaluation
from warmstart.core.input_kind import Several
from warmstart.core.model import Prepared, Row
from warmstart.core.options import BatchOptions, ColumnOptions, Option, takes
from warmstart.core.probabilities import log_sum_exp
from warmstart.core.records.options import EvaluateOptions, QuestionTable, SplitTable
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data
from warmstart.engines.agreement import Rule
from warmstart.errors import InputError, documented_in
from warmstart.text.encoder import TextModel
from warmstart.text.inputs import Pair, QuestionInput, display_text
from warmstart.text.results import Answer
from warmstart.text.tokenizer import Encoded

OVERLAP = 0.25
"""Share of a window's tokens that are also in the window before."""
CLS = 0
ENDS = ("start_logits", "end_logits")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Characters of scripts that do not separate words: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""

Characters: TypeAlias = tuple[int, int]
"""Start and end of a span in the context."""


@dataclass(frozen=True, kw_only=True)
class AnswerOptions(BatchOptions, ColumnOptions):
    """Options of question answering."""

    top_k: Annotated[int, Option("Number of answers to return, best first.", ge=1, short="-k")] = 1
    max_answer_tokens: Annotated[int, Option("Maximum number of tokens of an answer.", ge=1)] = 30
    no_answer: Annotated[
        bool, Option('Whether "no answer" is a possible result, as in SQuAD 2.')
    ] = False
    align_to_words: Annotated[
        bool, Option("Extend answers to whole words; otherwise they may end inside a word.")
    ] = True


@dataclass(frozen=True, kw_only=True)
class EvaluateAnswersOptions(QuestionTable, SplitTable, EvaluateOptions):
    """Options of evaluating on labelled questions."""


class QuestionAnswerer(TextModel[QuestionInput, Answer, AnswerOptions]):
    """Finds the answer to a question in a context, of any length.

    Example:
        >>> model = ws.load("qa-model")  # such as "roberta_base_squad2"
        >>> context = "Ann moved to Paris in May."
        >>> answer = model(("Where does Ann live?", context))
        >>> answer.text == context[answer.start : answer.end]
        True
    """

    task = "question-answering"
    options = AnswerOptions
    evaluate_options = EvaluateAnswersOptions
    result = Answer

    @property
    def agreement_rule(self) -> Rule:
        return Rule("positions", ENDS, mask="attention_mask")

    @overload
    @takes(AnswerOptions)
    def __call__(self, question: QuestionInput, options: AnswerOptions) -> Answer: ...
    @overload
    @takes(AnswerOptions)
    def __call__(
        self, question: Several[QuestionInput], options: AnswerOptions
    ) -> Results[Answer | Failed]: ...
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
            UsageError: an option is wrong, or `question` stands for many questions and is not a list.
        """
        return self.predict(question, options)

    @takes(AnswerOptions)
    def stream(
        self, questions: Iterable[QuestionInput] | os.PathLike[str], options: AnswerOptions
    ) -> ResultStream[Answer | Failed]:
        """Answer the questions of an iterator, in order, in constant memory.

        Returns:
            An iterator with an `Answer` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of pairs.
        """
        return self.predict_stream(questions, options)

    def windows(self, text: str | Pair, name: str = "") -> Sequence[Encoded]:
        """Split a long context into overlapping windows, each preceded by the whole question."""
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
        """The best spans of all windows.

        A span's score is the product of the probabilities of its ends, each among the tokens of
        the context in all windows.
        """
        parts = [
            (window, row, inside)
            for window, row in zip(windows, rows, strict=True)
            if len(inside := np.flatnonzero(window.sequences == 1))
        ]
        logits = [[row[end][inside] for _, row, inside in parts] for end in ENDS]
        # As in SQuAD 2, there is no answer only if no window has one.
        null = min(rows, key=lambda row: float(row[ENDS[0]][CLS]) + float(row[ENDS[1]][CLS]))
        nulls = [[float(null[end][CLS])] if options.no_answer else [] for end in ENDS]
        totals = [
            log_sum_exp(np.concatenate([*some, none], dtype=np.float64))
            for some, none in zip(logits, nulls, strict=True)
        ]
        scores: dict[Characters, float] = {}
        for (window, _, inside), start, end in zip(parts, *logits, strict=True):
            spans = _spans(start, end, options.max_answer_tokens)
            best: set[Characters] = set()
            for first, last in spans:
                span = _characters(window.offsets[inside], first, last, text.pair, options)
                score = float(np.exp(start[first] + end[last] - sum(totals)))
                scores[span] = max(scores.get(span, 0.0), score)
                best.add(span)
                if len(best) == options.top_k:
                    break
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        if options.no_answer:
            null_score = float(np.exp(nulls[0][0] + nulls[1][0] - sum(totals)))
            ranked = sorted([*ranked, ((0, 0), null_score)], key=lambda item: -item[1])
        name = display_text(text)
        answers = [
            Answer(name, self.name, text.pair[start:end], start, end, score)
            for (start, end), score in ranked[: options.top_k]
        ]
        if not answers:
            return Answer(name, self.name, "", 0, 0, 0.0)
        return replace(answers[0], others=tuple(answers[1:]))

    @takes(EvaluateAnswersOptions)
    @documented_in(task_of(task).guide)
    def evaluate(self, data: Data, options: EvaluateAnswersOptions) -> Evaluation:
        """Exact match and F1, as SQuAD counts them.

        Args:
            data: the path of a file in SQuAD's format; see `text.squad`.
            options: how a table is read, and inputs per call of the engine.

        Returns:
            `exact` and `f1` (0 to 1), `count`, `errors`: the messages on the other questions, with
            their ids.
        """
        from warmstart.text import squad  # predicting needs no reader of data

        errors: list[str] = []
        questions = records.evaluation_split(
            squad.questions(data, problems=errors, **options.reading())
        )
        no_answer = any(not question.answers for question in questions)
        scores, count = np.zeros(2), 0
        pairs = ((question.question, question.context) for question in questions)
        results = self.stream(pairs, no_answer=no_answer, batch_size=options.batch_size)
        answers = records.usable_results(self.name, questions, results, errors, options.progress)
        for question, answer in answers:
            scores += answer_scores(answer.text, [text for text, _ in question.answers] or [""])
            count += 1
        exact, f1 = (float(total) / max(count, 1) for total in scores)
        figures = {"exact": exact, "f1": f1, "count": count, "errors": errors}
        return Evaluation.of(self, figures)


def _spans(
    start: NDArray[np.float32], end: NDArray[np.float32], max_tokens: int
) -> Iterator[tuple[int, int]]:
    """The spans of a window, as indices of their first and last token, best first."""
    count = len(start)
    sums = start[:, None] + end[None, :]
    length = np.arange(count)[None, :] - np.arange(count)[:, None]
    sums[(length < 0) | (length >= max_tokens)] = -np.inf
    for index in np.argsort(-sums, axis=None, kind="stable"):
        first, last = divmod(int(index), count)
        if sums[first, last] == -np.inf:
            return
        yield first, last


def _characters(
    offsets: NDArray[np.int64], first: int, last: int, context: str, options: AnswerOptions
) -> Characters:
    """Start and end in the context of the tokens from `first` to `last`."""
    start, end = int(offsets[first, 0]), int(offsets[last, 1])
    if not options.align_to_words:
        return start, end
    while start < end and context[start].isspace():  # some tokens include the space before them
        start += 1
    while start > 0 and _in_one_word(context, start):
        start -= 1
    while end < len(context) and _in_one_word(context, end):
        end += 1
    return start, end


def _in_one_word(text: str, index: int) -> bool:
    """Whether the characters on both sides of an index belong to one word."""
    return all(
        character.isalnum() or unicodedata.category(character)[0] == "M"
        for character in text[index - 1 : index + 1]
    ) and not any(map(UNSPACED.match, text[index - 1 : index + 1]))


def answer_scores(answer: str, references: Sequence[str]) -> tuple[float, float]:
    """(exact match, F1) of an answer: the highest over the correct answers.

    Source: Rajpurkar et al., "SQuAD" (2016), section 6.1: articles, punctuation and case do not
    count.
    """
    exact = max(float(_normalized(answer) == _normalized(reference)) for reference in references)
    return exact, max(_f1(answer, reference) for reference in references)


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
