"""Question answering: question and context -> overlapping windows -> engine -> the best span -> `Answer`."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from warmstart.core.results import Failed
from warmstart.errors import InputError, UsageError
from warmstart.text import squad
from warmstart.text.encoder import Row, TextTask, softmax
from warmstart.text.inputs import Pair, shown
from warmstart.text.results import Answer
from warmstart.text.tokenizer import Encoded

SHARED = 0.25  # of a window's tokens are those of the window before
CLS = 0


@dataclass(frozen=True)
class Wanted:
    max_answer_tokens: int
    top_k: int
    no_answer: bool


class QuestionAnswerer(TextTask):
    """Finds the answer to a question in a text, of any length.

    Example:
        >>> model = ws.load("hf://distilbert/distilbert-base-cased-distilled-squad")
        >>> model(("Where does Ann live?", "Ann moved to Paris in May.")).text
        'Paris'
    """

    task = "question-answering"
    pairs = True

    def __call__(self, inputs: Any, *, top_k: int = 1, max_answer_tokens: int = 30, no_answer: bool = False,
                 batch_size: int | None = None, **options: Any) -> Any:
        """Answer questions.

        Args:
            inputs: a (question, context) pair, or a mapping with these keys; a list or generator of them.
            top_k: how many different answers are told; all but the best are in `Answer.others`.
            max_answer_tokens: the longest answer.
            no_answer: whether "there is none" competes with the spans, as in SQuAD 2.
            batch_size: windows per call of the engine; does not change results.

        Returns:
            One `Answer`; a list of them for a list; an iterator for a generator. In a list or iterator an unusable pair
            is a `Failed` in its place.

        Raises:
            InputError: the one pair is unusable.
            UsageError: an option is wrong.
        """
        if options:
            raise UsageError(f"QuestionAnswerer takes no option {next(iter(options))!r}.")
        if top_k < 1 or max_answer_tokens < 1:
            raise UsageError(f"top_k and max_answer_tokens must be 1 or more, not {top_k} and {max_answer_tokens}.")
        wanted = Wanted(max_answer_tokens, top_k, no_answer)

        def result(text: str | Pair, windows: Sequence[Encoded], rows: Sequence[Row]) -> Answer:
            assert isinstance(text, Pair)
            return self.answer(text, windows, rows, wanted)

        return self._results(inputs, batch_size, result)

    def windows(self, text: str | Pair, name: str = "") -> Sequence[Encoded]:
        """A context that is too long becomes overlapping windows, each behind the whole question."""
        if not isinstance(text, Pair):
            raise InputError(f"{name}: must be a question and a context: (question, context)", name)
        return self.tokenizer.windows(text.text, text.pair, limit=self.max_length, name=name,
                                      stride=int(SHARED * self.max_length))

    def answer(self, text: Pair, windows: Sequence[Encoded], rows: Sequence[Row], wanted: Wanted) -> Answer:
        """The best spans of all windows; in each, a span's score is the product of the shares of its ends."""
        found: dict[tuple[int, int], float] = {}
        none = 1.0
        for window, row in zip(windows, rows, strict=True):
            best, without = _spans(window, row, wanted)
            none = min(none, without)
            for span, score in best:
                found[span] = max(found.get(span, 0.0), score)
        ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
        if wanted.no_answer:
            ranked = sorted([*ranked, ((0, 0), none)], key=lambda item: -item[1])
        name = shown(text)
        answers = [Answer(name, self.name, text.pair[start:end], start, end, score)
                   for (start, end), score in ranked[:wanted.top_k]]
        if not answers:
            return Answer(name, self.name, "", 0, 0, 0.0)
        return replace(answers[0], others=tuple(answers[1:]))

    def evaluate(self, data: Any, *, batch_size: int | None = None, progress: Any = None) -> dict[str, Any]:
        """Exact match and F1, as SQuAD counts them.

        Args:
            data: the path of a file in SQuAD's format; see `text.squad`.
            batch_size: windows per call of the engine.
            progress: called with (name of the model, questions so far, questions in all).

        Returns:
            `exact` and `f1` (0 to 1), `count`, `errors`.
        """
        asked = squad.questions(data)
        open_end = any(not one.answers for one in asked)
        scores, errors = np.zeros(2), []
        results = self(((one.question, one.context) for one in asked), no_answer=open_end, batch_size=batch_size)
        for done, (one, result) in enumerate(zip(asked, results, strict=True), 1):
            if isinstance(result, Failed):
                errors.append(str(result.error))
            else:
                scores += judged(result.text, [text for text, _ in one.answers] or [""])
            if progress:
                progress(self.name, done, len(asked))
        count = max(len(asked) - len(errors), 1)
        return {"exact": float(scores[0]) / count, "f1": float(scores[1]) / count, "count": len(asked) - len(errors),
                "errors": errors}


def _spans(window: Encoded, row: Row, wanted: Wanted) -> tuple[list[tuple[tuple[int, int], float]], float]:
    """((start, end) in characters, score) of the best spans of a window, and the score of having no answer."""
    inside = np.flatnonzero(window.sequences == 1)
    places = np.append(inside, CLS) if wanted.no_answer else inside
    if not len(inside):
        return [], 1.0
    start, end = (softmax(row[name][places]) for name in ("start_logits", "end_logits"))
    without = float(start[-1] * end[-1]) if wanted.no_answer else 0.0
    count = len(inside)
    products = start[:count, None] * end[None, :count]
    length = np.arange(count)[None, :] - np.arange(count)[:, None]
    products[(length < 0) | (length >= wanted.max_answer_tokens)] = 0
    best = np.argsort(-products, axis=None, kind="stable")[:wanted.top_k]
    spans = []
    for place in best:
        first, last = divmod(int(place), count)
        if products[first, last] > 0:
            characters = int(window.offsets[inside[first], 0]), int(window.offsets[inside[last], 1])
            spans.append((characters, float(products[first, last])))
    return spans, without


def judged(said: str, right: Sequence[str]) -> tuple[float, float]:
    """(exact match, F1) of an answer against the right ones, the best counts.

    Source: Rajpurkar et al., "SQuAD" (2016), section 6.1: articles, punctuation and case do not count.
    """
    return (max(float(_normal(said) == _normal(one)) for one in right), max(_f1(said, one) for one in right))


def _f1(said: str, right: str) -> float:
    got, want = _normal(said).split(), _normal(right).split()
    if not got or not want:
        return float(got == want)
    common = sum((Counter(got) & Counter(want)).values())
    return 2 * common / (len(got) + len(want))


def _normal(text: str) -> str:
    bare = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())
