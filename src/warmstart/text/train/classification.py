"""Fine-tuning a text classifier: labelled texts -> tokens -> encoder with a head -> bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.core.model import Model
from warmstart.errors import UsageError
from warmstart.text.classification import TextClassifier
from warmstart.text.data import Example, examples
from warmstart.text.inputs import shown
from warmstart.text.train import encoder
from warmstart.text.train.batches import TextBatches
from warmstart.text.train.encoder import Lesson, Settings
from warmstart.training import text_report
from warmstart.training.split import split

PROBLEMS = ("single", "multi", "regression")


def finetune(base: str | Path | Model, data: Any, *, validation: Any = 0.1, problem: str | None = None,
             names: Mapping[str, str] | None = None, epochs: int = 3, batch_size: int = 16,
             learning_rate: float | None = None, freeze: int | str = 0, lora: int | None = None, warmup: float = 0.1,
             weight_decay: float = 0.01, optimizer: Any = None, patience: int | None = None, seed: int = 0,
             output: str | Path | None = None, callbacks: Sequence[Any] = (), name: str | None = None,
             adversarial: float = 0.0) -> Model:
    """Fine-tune a text classifier; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a BERT, DistilBERT or RoBERTa, whatever its head is for.
        data: see `text.data.examples`: a TSV, CSV or JSONL file, or (text, label) pairs.
        validation: data of the same kind, or the share of `data` that is kept for it.
        problem: `"single"` (one class a text), `"multi"` (any number of them) or `"regression"`; default: multi where a
            text has several labels, else single.
        names: readable names by label, such as `{"1": "positive"}`.
        epochs, batch_size, learning_rate, freeze, lora, warmup, weight_decay, optimizer, seed, adversarial: see
            `text_job.Settings`.
        patience: stop after so many epochs without a better one.
        output, callbacks: as for all tasks.
        name: of the result; default: the base's and "_finetuned".

    Raises:
        UsageError: the data or an option cannot be used.
        InputError: an example is unusable.
        TrainingError: training cannot go on.
    """
    train, held = split(examples(data), validation, seed, examples)
    problem = problem or ("multi" if any(len(one.labels) != 1 for one in train) else "single")
    if problem not in PROBLEMS:
        raise UsageError(f"problem is one of {', '.join(PROBLEMS)}, not {problem!r}.")
    labels = classes(train, names or {}) if problem != "regression" else (Label(0, "value", "value"),)
    settings = Settings(epochs, batch_size, learning_rate, freeze, warmup, weight_decay, optimizer, seed, lora,
                        adversarial)
    kind = {"single": keras.losses.CategoricalCrossentropy(from_logits=True),
            "multi": keras.losses.BinaryCrossentropy(from_logits=True),
            "regression": keras.losses.MeanSquaredError()}[problem]
    best = {"single": "val_accuracy", "multi": "val_f1", "regression": "val_pearson"}[problem]

    def prepare(judge: TextClassifier, network: keras.Model) -> Lesson:
        parts = {what: _batches(judge, some, settings, what == "train")
                 for what, some in (("train", train), ("held", held)) if some}
        wants = np.stack([judge._truth(one) for one in held]) if held else np.zeros((0, len(labels)))

        def logits() -> np.ndarray:
            return np.stack(encoder.predict(network, parts["held"])["logits"])

        def measure() -> dict[str, float]:
            said = logits()
            return {"loss": _loss(problem, said, wants), **judge.metrics(wants, judge.scores(said))}

        return Lesson(parts["train"], {"logits": kind}, measure if held else None, best,
                      lambda: _sections(held, wants, judge.scores(logits()), problem, [label.name for label in labels]))

    return encoder.tune(base, "text-classification", prepare, settings, train=train, held=held, unit="texts",
                         labels=labels, processing={"problem": problem}, told={"problem": problem}, patience=patience,
                         output=output, callbacks=callbacks, name=name)


def classes(train: Sequence[Example], names: Mapping[str, str]) -> tuple[Label, ...]:
    """The labels that occur, in order: numbers by their size, others by the alphabet."""
    found = {label for example in train for label in example.labels}
    if len(found) < 2:
        raise UsageError(f"The examples have only the label {next(iter(found))!r}; there must be two or more.")
    order = sorted(found, key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label))
    return tuple(Label(index, label, names.get(label, label)) for index, label in enumerate(order))


def _batches(judge: TextClassifier, some: Sequence[Example], settings: Settings,
             shuffle: bool) -> TextBatches:
    encoded = [judge.encode(one.text, one.name) for one in some]
    targets = np.stack([judge._truth(one) for one in some]).astype(np.float32)
    return TextBatches(encoded, lambda places, length: {"logits": targets[places]}, encoder.padder(judge.entry),
                       batch_size=settings.batch_size if shuffle else 32, shuffle=shuffle, seed=settings.seed)


def _loss(problem: str, logits: np.ndarray, wants: np.ndarray) -> float:
    if problem == "regression":
        return float(np.mean((logits - wants) ** 2))
    if problem == "multi":
        return float(np.mean(np.logaddexp(0, logits) - logits * wants))
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(-np.mean(((shifted - np.log(np.exp(shifted).sum(1, keepdims=True))) * wants).sum(1)))


def _sections(held: Sequence[Example], wants: np.ndarray, scores: np.ndarray, problem: str,
              names: Sequence[str]) -> list[tuple[str, str]]:
    """Of the report: classes taken for each other, and the texts that are furthest off."""
    off = np.abs(scores - wants).max(axis=1)
    wrong = scores.argmax(1) != wants.argmax(1) if problem == "single" else off > (0.5 if problem == "multi" else 0)

    def told(row: np.ndarray, cut: float) -> str:
        if problem == "regression":
            return f"{row[0]:.3f}"
        if problem == "single":
            return f"{names[int(row.argmax())]} {row.max():.0%}"
        return ", ".join(f"{name} {share:.0%}" for name, share in zip(names, row, strict=True) if share > cut) or "none"

    order = [int(place) for place in np.argsort(-off, kind="stable") if wrong[place]]
    rows = [[shown(held[place].text), told(wants[place], 0.5).replace(" 100%", ""), told(scores[place], 0.5)]
            for place in order[:text_report.MISTAKES]]
    found = [text_report.mistakes(("text", "label", "said"), rows, len(order), len(held))]
    if problem == "single":
        found.insert(0, text_report.confusion(wants.argmax(1), scores.argmax(1), names))
    return found
