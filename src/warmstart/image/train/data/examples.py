"""Labelled examples, and what is known of them before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from warmstart.training.summary import Summary


@dataclass(frozen=True)
class Examples:
    """Inputs with their targets.

    Attributes:
        inputs: paths, or PIL images or arrays.
        targets: int64 (N,) class numbers; with several labels an example, float32 (N, classes) of 0
            and 1.
        digests: sha256 of each input's content, where it is known.
        groups: examples of the same one stay together; empty where the data has none.
    """

    inputs: tuple[Any, ...]
    targets: np.ndarray
    digests: tuple[str, ...] = ()
    groups: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, rows: Sequence[int] | np.ndarray) -> Examples:
        """The examples of these indices, in this order."""
        return Examples(
            tuple(self.inputs[i] for i in rows),
            self.targets[list(rows)],
            tuple(self.digests[i] for i in rows) if self.digests else (),
            tuple(self.groups[i] for i in rows) if self.groups else (),
        )


@dataclass(frozen=True)
class Dataset:
    """Everything a recipe learns from.

    Attributes:
        name: of the folder or file, for titles.
        classes: names, in the order of the model's outputs.
        multi_label: whether an example may have several labels, or none.
        train, validation: never empty.
        test: never used for training or model selection; None if there is none.
        problems: what is wrong with each input that is left out.
        warnings: what the user should know of the data, in sentences.
        columns: what the columns of a table were taken for.
    """

    name: str
    classes: tuple[str, ...]
    multi_label: bool
    train: Examples
    validation: Examples
    test: Examples | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def parts(self) -> Iterator[tuple[str, Examples]]:
        """(name, examples) of each part that is there."""
        for name in ("train", "validation", "test"):
            if (part := getattr(self, name)) is not None:
                yield name, part

    def counts(self, part: Examples) -> np.ndarray:
        """Examples of each class: int (classes,)."""
        if self.multi_label:
            return np.asarray(part.targets.sum(0).astype(int))
        return np.bincount(part.targets, minlength=len(self.classes))

    @property
    def majority(self) -> float:
        """What is right in validation when the most frequent training class is always answered; for
        several labels an example, the share of single decisions that are right when each class'
        more frequent one is."""
        if self.multi_label:
            usual = self.train.targets.mean(0) > 0.5
            return float((self.validation.targets == usual).mean())
        return float((self.validation.targets == self.counts(self.train).argmax()).mean())

    def fingerprint(self) -> str:
        """The same for the same contents, labels and parts."""
        digest = sha256(repr((self.classes, self.multi_label)).encode())
        for name, part in self.parts():
            digest.update(f"{name} {part.digests} {part.targets.tolist()}".encode())
        return digest.hexdigest()[:20]

    def summary(self) -> Summary:
        """What is shown before training: counts, balance, baseline, warnings, and what is left out."""
        parts = dict(self.parts())
        counts = {name: self.counts(part) for name, part in parts.items()}
        classes = {
            name: {part: int(some[index]) for part, some in counts.items()}
            for index, name in enumerate(self.classes)
        }
        if self.multi_label:
            baseline = (
                f"always the more frequent decision: {self.majority:.1%} of the single decisions "
                "correct"
            )
        else:
            usual = self.classes[int(counts["train"].argmax())]
            baseline = f"always {usual!r}: {self.majority:.1%} of the validation examples correct"
        sizes = {name: len(part) for name, part in parts.items()}
        return Summary(
            self.name,
            "photos",
            sizes,
            classes,
            baseline,
            self.warnings,
            self.problems,
            self.columns,
            {"accuracy": self.majority},
        )


def without(dataset: Dataset, failed: Mapping[str, Mapping[int, Exception]]) -> Dataset:
    """The dataset less the examples that turned out to be unusable, by part and index; each becomes
    a problem.
    """
    parts: dict[str, Any] = {}
    problems = list(dataset.problems)
    for name, part in dataset.parts():
        bad = failed.get(name, {})
        parts[name] = part.subset([i for i in range(len(part)) if i not in bad]) if bad else part
        problems += [str(bad[index]) for index in sorted(bad)]
    return replace(dataset, **parts, problems=tuple(problems))
