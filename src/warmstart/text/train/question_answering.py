"""Fine-tuning a question answerer: questions -> windows of their contexts -> encoder -> two ends of
a span -> bundle.

Source of the recipe: Devlin et al., "BERT" (2018), sections 4.2 and 4.3: a window without the
answer has its first token as both ends. The best epoch is the one with the highest F1, as SQuAD
counts it. A share that is set aside for validation holds whole contexts, so that no question is
asked about a text that was learned from.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.text import squad
from warmstart.text.inputs import Pair
from warmstart.text.question_answering import (
    CLS,
    ENDS,
    AnswerOptions,
    QuestionAnswerer,
    answer_scores,
)
from warmstart.text.squad import Question
from warmstart.text.tokenizer import Encoded
from warmstart.text.train.batches import TextBatches
from warmstart.text.train.encoder import EncoderTrainer
from warmstart.text.train.options import QuestionAnsweringOptions
from warmstart.training.page import MISTAKES, Section, mistakes

LONGEST_ANSWER = 30


class QuestionAnsweringTrainer(
    EncoderTrainer[QuestionAnsweringOptions, Question, QuestionAnswerer]
):
    """Answers as spans of a context; a batch counts windows."""

    task = "question-answering"
    unit = "questions"
    example = '"a question" --context "a text"'
    monitor = "val_f1"

    def examples(self, data: Any) -> list[Question]:
        reading = self.options.reading()
        return squad.questions(data, problems=self.problems, columns=self.columns, **reading)

    def content_of(self, example: Question) -> Hashable:
        return (example.question, example.context)

    def group_of(self, example: Question) -> str:
        return example.context if example.group is None else example.group

    def check(self) -> None:
        examples = (*self.train_examples, *self.validation_examples)
        unanswerable = any(not question.answers for question in examples)
        self.request = AnswerOptions(max_answer_tokens=LONGEST_ANSWER, no_answer=unanswerable)

    def windows(self, questions: Sequence[Question]) -> list[Sequence[Encoded]]:
        """The windows of each question with its context."""
        return [
            self.predictor.windows(Pair(question.question, question.context), f"question {number}")
            for number, question in enumerate(questions, 1)
        ]

    def text_batches(self, examples: Sequence[Question], shuffle: bool) -> TextBatches:
        cut = self.windows(examples)
        if not shuffle:
            self.validation_windows = cut
        encoded = [window for windows in cut for window in windows]
        pairs = zip(examples, cut, strict=True)
        spans = np.array(
            [span(question, window) for question, windows in pairs for window in windows]
        )

        def targets(rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
            return {end: spans[rows, side] for side, end in enumerate(ENDS)}

        return self.batched(encoded, targets, shuffle)

    def loss(self) -> dict[str, keras.losses.Loss]:
        return dict.fromkeys(ENDS, keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def answers(self) -> list[str]:
        """The answers to the validation questions."""
        rows = self.predict()
        answers, first = [], 0
        for question, windows in zip(
            self.validation_examples, self.validation_windows, strict=True
        ):
            numbers = range(first, first + len(windows))
            first += len(windows)
            logits = [{end: rows[end][number] for end in ENDS} for number in numbers]
            pair = Pair(question.question, question.context)
            answers.append(self.predictor.answer(pair, windows, logits, self.request).text)
        return answers

    def measure(self) -> dict[str, float]:
        pairs = zip(self.validation_examples, self.answers(), strict=True)
        exact, f1 = np.mean([_scores(question, answer) for question, answer in pairs], axis=0)
        return {"exact": float(exact), "f1": float(f1)}

    def sections(self) -> list[Section]:
        if not self.validation_examples:
            return []
        pairs = zip(self.validation_examples, self.answers(), strict=True)
        scored = [(_scores(question, answer), question, answer) for question, answer in pairs]
        wrong = sorted((row for row in scored if row[0][0] < 1), key=lambda row: row[0][1])
        rows = [
            [
                question.question,
                question.answers[0][0] if question.answers else "(none)",
                answer or "(none)",
                scores[1],
            ]
            for scores, question, answer in wrong[:MISTAKES]
        ]
        head = ("question", "answer", "predicted", "F1")
        return [mistakes(head, rows, len(wrong), len(scored))]


def span(question: Question, window: Encoded) -> tuple[int, int]:
    """The first and last token of the first right answer; the first token twice where the window
    lacks it.
    """
    if not question.answers:
        return CLS, CLS
    text, start = question.answers[0]
    inside = np.flatnonzero(window.sequences == 1)
    starts, ends = window.offsets[inside].T
    first, last = np.flatnonzero(ends > start), np.flatnonzero(starts < start + len(text))
    if not len(first) or not len(last) or first[0] > last[-1]:
        return CLS, CLS
    if starts[0] > start or ends[-1] < start + len(text):
        return CLS, CLS
    return int(inside[first[0]]), int(inside[last[-1]])


def _scores(question: Question, answer: str) -> tuple[float, float]:
    return answer_scores(answer, [text for text, _ in question.answers] or [""])
