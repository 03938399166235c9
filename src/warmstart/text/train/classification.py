"""Fine-tuning a text classifier: labelled texts -> tokens -> encoder with a head -> bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.catalog import Label
from warmstart.errors import UsageError
from warmstart.text.classification import TextClassifier
from warmstart.text.data import Example, examples
from warmstart.text.inputs import shown
from warmstart.text.train.adversarial import Adversarial
from warmstart.text.train.batches import TextBatches
from warmstart.text.train.encoder import EncoderTrainer
from warmstart.text.train.options import TextClassificationOptions
from warmstart.training.batches import example_weights
from warmstart.training.page import MISTAKES, Section, class_section, mistakes

MONITORS = {"single": "val_accuracy", "multi": "val_f1", "regression": "val_pearson"}
THRESHOLD = 0.5


class TextClassificationTrainer(EncoderTrainer[TextClassificationOptions, Example, TextClassifier]):
    """Classes, several classes, or a number for each text."""

    task = "text-classification"

    def examples(self, data: Any) -> list[Example]:
        return examples(data)

    def inspect(self, examples: Sequence[Example]) -> None:
        several = any(len(example.labels) > 1 for example in examples)
        self.problem = self.options.problem or ("multi" if several else "single")
        self.monitor = MONITORS[self.problem]
        self.processing = {"problem": self.problem}
        if self.options.class_weight is not None and self.problem != "single":
            raise UsageError("class_weight is for one class per text.")

    def labels_of(self, example: Example) -> Sequence[str]:
        return () if self.problem == "regression" else example.labels

    def check(self) -> None:
        if self.problem == "regression":
            self.labels = (Label(0, "value", "value"),)
        else:
            self.labels = classes(self.train_examples, self.options.names or {})

    def trivial(self) -> str:
        if not self.validation_examples:
            return ""
        if self.problem == "regression":
            mean = np.mean([float(one.labels[0]) for one in self.train_examples])
            truth = np.array([float(one.labels[0]) for one in self.validation_examples])
            return f"always {mean:.3f}, the mean: root mean squared error {np.sqrt(np.mean((truth - mean) ** 2)):.4g}"
        counts = Counter(label for one in self.train_examples for label in one.labels)
        usual = max(counts, key=lambda label: counts[label])
        right = np.mean([one.labels == (usual,) for one in self.validation_examples])
        return (
            f"always {usual!r}, the most frequent class: {right:.1%} of the validation texts right"
        )

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "problem": self.problem}

    def text_batches(self, examples: Sequence[Example], shuffle: bool) -> TextBatches:
        encoded = [self.predictor.tokenize(one.text, one.name) for one in examples]
        targets = self._truth(examples)
        weights = self._weights(targets) if shuffle else None

        def batch(rows: np.ndarray, length: int) -> Any:
            truth = {"logits": targets[rows]}
            return truth if weights is None else (truth, {"logits": weights[rows]})

        return self.batched(encoded, batch, shuffle)

    def _truth(self, examples: Sequence[Example]) -> np.ndarray:
        return np.stack([self.predictor._truth(one) for one in examples]).astype(np.float32)

    def _weights(self, targets: np.ndarray) -> np.ndarray | None:
        names = [label.id for label in self.labels]
        if self.options.class_weight is None:
            return None
        return example_weights(self.options.class_weight, targets.argmax(1), names)

    def learner(self) -> keras.Model:
        size = self.options.adversarial
        return Adversarial(self.network, size) if size else self.network

    def loss(self) -> dict[str, keras.losses.Loss]:
        losses = {
            "single": keras.losses.CategoricalCrossentropy(from_logits=True),
            "multi": keras.losses.BinaryCrossentropy(from_logits=True),
            "regression": keras.losses.MeanSquaredError(),
        }
        return {"logits": losses[self.problem]}

    def measure(self) -> dict[str, float]:
        logits = np.stack(self.predict()["logits"])
        truth = np.stack([self.predictor._truth(one) for one in self.validation_examples])
        metrics = self.predictor.metrics(truth, self.predictor.scores(logits))
        return {"loss": _loss(self.problem, logits, truth), **metrics}

    def sections(self) -> list[Section]:
        if not self.validation_examples:
            return []
        examples, names = self.validation_examples, [label.name for label in self.labels]
        scores = self.predictor.scores(np.stack(self.predict()["logits"]))
        truth = np.stack([self.predictor._truth(one) for one in examples])
        off = np.abs(scores - truth).max(axis=1)
        if self.problem == "single":
            wrong = scores.argmax(1) != truth.argmax(1)
        else:
            wrong = off > (THRESHOLD if self.problem == "multi" else 0)
        order = [int(row) for row in np.argsort(-off, kind="stable") if wrong[row]]
        rows = [
            [
                shown(examples[row].text),
                self._in_words(truth[row], names).replace(" 100%", ""),
                self._in_words(scores[row], names),
            ]
            for row in order[:MISTAKES]
        ]
        section = mistakes(("text", "label", "predicted"), rows, len(order), len(examples))
        if self.problem == "regression":
            return [section]
        predicted = scores > THRESHOLD
        if self.problem == "single":
            predicted = np.eye(len(names), dtype=bool)[scores.argmax(1)]
        return [class_section(predicted, truth > THRESHOLD, names), section]

    def _in_words(self, scores: np.ndarray, names: Sequence[str]) -> str:
        if self.problem == "regression":
            return f"{scores[0]:.3f}"
        if self.problem == "single":
            return f"{names[int(scores.argmax())]} {scores.max():.0%}"
        pairs = zip(names, scores, strict=True)
        return (
            ", ".join(f"{name} {score:.0%}" for name, score in pairs if score > THRESHOLD) or "none"
        )


def classes(train: Sequence[Example], names: Mapping[str, str]) -> tuple[Label, ...]:
    """The labels that occur, in order: numbers by their size, others by the alphabet.

    Raises:
        UsageError: there is only one.
    """
    labels = {label for example in train for label in example.labels}
    if len(labels) < 2:
        raise UsageError(
            f"The examples have only the label {next(iter(labels))!r}; there must be two or more."
        )

    def key(label: str) -> tuple[bool, int, str]:
        return not label.isdecimal(), int(label) if label.isdecimal() else 0, label

    return tuple(
        Label(index, label, names.get(label, label))
        for index, label in enumerate(sorted(labels, key=key))
    )


def _loss(problem: str, logits: np.ndarray, truth: np.ndarray) -> float:
    if problem == "regression":
        return float(np.mean((logits - truth) ** 2))
    if problem == "multi":
        return float(np.mean(np.logaddexp(0, logits) - logits * truth))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return float(-np.mean((log_probabilities * truth).sum(1)))
