"""Fine-tuning a question answerer: questions -> windows of their contexts -> encoder -> two ends of a span -> bundle.

Source of the recipe: Devlin et al., "BERT" (2018), sections 4.2 and 4.3: a window without the answer has its first
token as both ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.core.model import Model
from warmstart.text import squad
from warmstart.text.inputs import Pair
from warmstart.text.question_answering import CLS, AnswerOptions, QuestionAnswerer, judged
from warmstart.text.squad import Question
from warmstart.text.tokenizer import Encoded
from warmstart.text.train import encoder
from warmstart.text.train.batches import TextBatches
from warmstart.text.train.encoder import Lesson, Settings
from warmstart.training import text_report
from warmstart.training.split import split

LONGEST_ANSWER = 30
ENDS = ("start_logits", "end_logits")


def finetune(base: str | Path | Model, data: Any, *, validation: Any = 0.1, epochs: int = 2, batch_size: int = 16,
             learning_rate: float | None = None, freeze: int | str = 0, lora: int | None = None, warmup: float = 0.1,
             weight_decay: float = 0.01, optimizer: Any = None, patience: int | None = None, seed: int = 0,
             output: str | Path | None = None, callbacks: Sequence[Any] = (), name: str | None = None) -> Model:
    """Fine-tune a question answerer; see `warmstart.finetune` for what all tasks share.

    The best epoch is the one with the highest F1, as SQuAD counts it. A share that is kept for validation holds whole
    contexts, so that no question is asked about a text that was learned from.

    Args:
        base: a BERT, DistilBERT or RoBERTa, whatever its head is for.
        data: a JSON file in SQuAD's format, or `Question`s; see `text.squad.questions`.
        validation: data of the same kind, or the share of `data` that is kept for it.
        epochs, batch_size, learning_rate, freeze, lora, warmup, weight_decay, optimizer, seed: see
            `text_job.Settings`; `batch_size` counts windows.
        patience: stop after so many epochs without a better one.
        output, callbacks: as for all tasks.
        name: of the result; default: the base's and "_finetuned".

    Raises:
        UsageError: the data or an option cannot be used.
        InputError: a question is unusable.
        TrainingError: training cannot go on.
    """
    train, held = split(squad.questions(data), validation, seed, squad.questions,
                                 group=lambda one: one.context)
    settings = Settings(epochs, batch_size, learning_rate, freeze, warmup, weight_decay, optimizer, seed, lora)
    wanted = AnswerOptions(max_answer_tokens=LONGEST_ANSWER, no_answer=any(not one.answers for one in (*train, *held)))

    def prepare(judge: QuestionAnswerer, network: keras.Model) -> Lesson:
        cut = {what: [judge.windows(Pair(one.question, one.context), f"question {place}")
                      for place, one in enumerate(some, 1)] for what, some in (("train", train), ("held", held))}
        batches = _batches(judge, train, cut["train"], settings, True)

        def answers() -> list[str]:
            rows = encoder.predict(network, _batches(judge, held, cut["held"], settings, False))
            found, place = [], 0
            for one, windows in zip(held, cut["held"], strict=True):
                own = [{end: rows[end][place + n] for end in ENDS} for n in range(len(windows))]
                place += len(windows)
                found.append(judge.answer(Pair(one.question, one.context), windows, own, wanted).text)
            return found

        def measure() -> dict[str, float]:
            scores = np.mean([_judged(one, said) for one, said in zip(held, answers(), strict=True)], axis=0)
            return {"exact": float(scores[0]), "f1": float(scores[1])}

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return Lesson(batches, dict.fromkeys(ENDS, loss), measure if held else None, "val_f1",
                      lambda: [_mistakes(held, answers())])

    return encoder.tune(base, "question-answering", prepare, settings, train=train, held=held, unit="questions",
                         patience=patience, output=output, callbacks=callbacks, name=name)


def span(question: Question, window: Encoded) -> tuple[int, int]:
    """The first and last token of the first right answer; the first token twice where the window lacks it."""
    if not question.answers:
        return CLS, CLS
    text, start = question.answers[0]
    inside = np.flatnonzero(window.sequences == 1)
    starts, ends = window.offsets[inside].T
    first, last = np.flatnonzero(ends > start), np.flatnonzero(starts < start + len(text))
    if not len(first) or not len(last) or starts[0] > start or ends[-1] < start + len(text) or first[0] > last[-1]:
        return CLS, CLS
    return int(inside[first[0]]), int(inside[last[-1]])


def _batches(judge: QuestionAnswerer, some: Sequence[Question], cut: Sequence[Sequence[Encoded]], settings: Settings,
             shuffle: bool) -> TextBatches:
    encoded = [window for windows in cut for window in windows]
    spans = np.array([span(one, window) for one, windows in zip(some, cut, strict=True) for window in windows])

    def targets(places: np.ndarray, length: int) -> dict[str, np.ndarray]:
        return {end: spans[places, side] for side, end in enumerate(ENDS)}

    return TextBatches(encoded, targets, encoder.padder(judge.entry), shuffle=shuffle, seed=settings.seed,
                       batch_size=settings.batch_size if shuffle else 32)


def _judged(one: Question, said: str) -> tuple[float, float]:
    return judged(said, [text for text, _ in one.answers] or [""])


def _mistakes(held: Sequence[Question], said: Sequence[str]) -> tuple[str, str]:
    scored = [(_judged(one, got), one, got) for one, got in zip(held, said, strict=True)]
    wrong = sorted((row for row in scored if row[0][0] < 1), key=lambda row: row[0][1])
    rows = [[one.question, one.answers[0][0] if one.answers else "(none)", got or "(none)", score[1]]
            for score, one, got in wrong[:text_report.MISTAKES]]
    return text_report.mistakes(("question", "answer", "said", "F1"), rows, len(wrong), len(held))
