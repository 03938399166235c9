"""Fine-tuning a text classifier: labelled texts -> tokens -> encoder with a head -> bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.errors import UsageError
from warmstart.inputs.text_data import Example, examples
from warmstart.tasks.base import Model
from warmstart.tasks.load import load
from warmstart.tasks.text_classification import TextClassifier
from warmstart.training import text_job
from warmstart.training.run import open_run
from warmstart.training.text_batches import TextBatches
from warmstart.training.text_job import Settings

PROBLEMS = ("single", "multi", "regression")


def finetune(base: str | Path | Model, data: Any, *, validation: Any = 0.1, problem: str | None = None,
             names: Mapping[str, str] | None = None, epochs: int = 3, batch_size: int = 16,
             learning_rate: float | None = None, freeze: int | str = 0, warmup: float = 0.1, weight_decay: float = 0.01,
             optimizer: Any = None, patience: int | None = None, seed: int = 0, output: str | Path | None = None,
             callbacks: Sequence[Any] = (), name: str | None = None) -> Model:
    """Fine-tune a text classifier; see `warmstart.finetune` for what all tasks share.

    Args:
        base: a BERT, DistilBERT or RoBERTa, whatever its head is for.
        data: see `inputs.text_data.examples`: a TSV, CSV or JSONL file, or (text, label) pairs.
        validation: data of the same kind, or the share of `data` that is kept for it.
        problem: `"single"` (one class a text), `"multi"` (any number of them) or `"regression"`; default: multi where a
            text has several labels, else single.
        names: readable names by label, such as `{"1": "positive"}`.
        epochs, batch_size, learning_rate, freeze, warmup, weight_decay, optimizer, seed: see `text_job.Settings`.
        patience: stop after so many epochs without a better one.
        output, callbacks: as for all tasks.
        name: of the result; default: the base's and "_finetuned".

    Raises:
        UsageError: the data or an option cannot be used.
        InputError: an example is unusable.
        TrainingError: training cannot go on.
    """
    model = text_job.open_encoder(base)
    train, held = split(data, validation, seed)
    problem = problem or ("multi" if any(len(one.labels) > 1 for one in train) else "single")
    if problem not in PROBLEMS:
        raise UsageError(f"problem is one of {', '.join(PROBLEMS)}, not {problem!r}.")
    labels = classes(train, names or {}) if problem != "regression" else (Label(0, "value", "value"),)
    settings = Settings(epochs, batch_size, learning_rate, freeze, warmup, weight_decay, optimizer, seed)
    told = {"task": "text-classification", "base": model.name, "weights": model.weights.digest, **asdict(settings),
            "problem": problem, "patience": patience, "labels": [label.name for label in labels],
            "train": fingerprint(train), "validation": fingerprint(held)}
    with open_run(output, told) as run:
        if run.finished:
            return load(run.folder)
        entry, network = text_job.headed(model, "text-classification", labels=labels, seed=seed,
                                         processing={"problem": problem})
        if name:
            entry = replace(entry, name=name)
        judge = TextClassifier(entry, model.weights, labels, engine="keras", folder=model._folder)
        parts = {what: _batches(judge, some, settings, what == "train")
                 for what, some in (("train", train), ("held", held)) if some}

        def measure() -> dict[str, float]:
            wants = np.stack([judge._truth(one) for one in held])
            logits = np.stack(text_job.predict(network, parts["held"])["logits"])
            return {"loss": _loss(problem, logits, wants), **judge.metrics(wants, judge.scores(logits))}

        kind = {"single": keras.losses.CategoricalCrossentropy(from_logits=True),
                "multi": keras.losses.BinaryCrossentropy(from_logits=True),
                "regression": keras.losses.MeanSquaredError()}
        best = {"single": "val_accuracy", "multi": "val_f1", "regression": "val_pearson"}[problem]
        fitted = text_job.train(run, network, entry, parts["train"], settings, loss={"logits": kind[problem]},
                                measure=measure if held else None, monitor=best, patience=patience, callbacks=callbacks)
        return text_job.finished(run, network, entry, labels, fitted, model, dataset=f"{len(held)} held-out texts",
                                 told={"train": len(train), "validation": len(held)})


def split(data: Any, validation: Any, seed: int) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and examples kept for validation."""
    train = examples(data)
    if validation is None or validation == 0:
        return train, []
    if not isinstance(validation, float):
        return train, examples(validation)
    if not 0 < validation < 1:
        raise UsageError(f"validation is data, or a share between 0 and 1, not {validation!r}.")
    order = np.random.default_rng(seed).permutation(len(train))
    count = min(max(1, round(validation * len(train))), len(train) - 1)
    if count < 1:
        raise UsageError("One example alone cannot be learned from and validated on; give validation=None.")
    return [train[place] for place in order[count:]], [train[place] for place in order[:count]]


def classes(train: Sequence[Example], names: Mapping[str, str]) -> tuple[Label, ...]:
    """The labels that occur, in order: numbers by their size, others by the alphabet."""
    found = {label for example in train for label in example.labels}
    if len(found) < 2:
        raise UsageError(f"The examples have only the label {next(iter(found))!r}; there must be two or more.")
    order = sorted(found, key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label))
    return tuple(Label(index, label, names.get(label, label)) for index, label in enumerate(order))


def fingerprint(some: Sequence[Example]) -> str:
    """Changes when an example does."""
    return sha256("\0".join(f"{one.text}\1{one.labels}" for one in some).encode("utf-8", "replace")).hexdigest()[:20]


def _batches(judge: TextClassifier, some: Sequence[Example], settings: Settings,
             shuffle: bool) -> TextBatches:
    encoded = [judge.encode(one.text, one.name) for one in some]
    targets = np.stack([judge._truth(one) for one in some]).astype(np.float32)
    return TextBatches(encoded, lambda places, length: {"logits": targets[places]}, text_job.padder(judge.entry),
                       batch_size=settings.batch_size if shuffle else 32, shuffle=shuffle, seed=settings.seed)


def _loss(problem: str, logits: np.ndarray, wants: np.ndarray) -> float:
    if problem == "regression":
        return float(np.mean((logits - wants) ** 2))
    if problem == "multi":
        return float(np.mean(np.logaddexp(0, logits) - logits * wants))
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(-np.mean(((shifted - np.log(np.exp(shifted).sum(1, keepdims=True))) * wants).sum(1)))
