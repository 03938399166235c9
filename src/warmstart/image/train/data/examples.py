"""Labelled examples for training."""

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
        inputs: paths, PIL images or arrays.
        targets: int64 (N,), indices of classes; or for several labels per example, float32 (N,
            classes) of 0 and 1.
        digests: the sha256 of each input's content, or empty.
        groups: examples of a group stay in one part; empty without groups.
    """

    inputs: tuple[Any, ...]
    targets: np.ndarray
    digests: tuple[str, ...] = ()
    groups: tuple[str | None, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    def subset(self, rows: Sequence[int] | np.ndarray) -> Examples:
        """The examples at these indices."""
        return Examples(
            tuple(self.inputs[i] for i in rows),
            self.targets[list(rows)],
            tuple(self.digests[i] for i in rows) if self.digests else (),
            tuple(self.groups[i] for i in rows) if self.groups else (),
        )


@dataclass(frozen=True)
class Dataset:
    """The data of a fine-tuning run.

    Attributes:
        name: of the folder or file, for titles.
        classes: their names, in the order of the model's outputs.
        multi_label: whether an example may have several labels, or none.
        train, validation: not empty.
        test: used neither for training nor for selection; None without test data.
        problems: the fault of each input that is left out.
        warnings: sentences about the data.
        columns: how the columns of a table were read.
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
        """(name, examples) of each part."""
        for name in ("train", "validation", "test"):
            if (part := getattr(self, name)) is not None:
                yield name, part

    def counts(self, part: Examples) -> np.ndarray:
        """The number of examples per class, int (classes,)."""
        if self.multi_label:
            return np.asarray(part.targets.sum(0).astype(int))
        return np.bincount(part.targets, minlength=len(self.classes))

    @property
    def majority(self) -> float:
        """The validation accuracy of always predicting the most frequent training class; for
        several labels per example, that of always making the more frequent decision for each class.
        """
        if self.multi_label:
            frequent = self.train.targets.mean(0) > 0.5
            return float((self.validation.targets == frequent).mean())
        return float((self.validation.targets == self.counts(self.train).argmax()).mean())

    def fingerprint(self) -> str:
        """A digest of contents, labels and parts."""
        digest = sha256(repr((self.classes, self.multi_label)).encode())
        for name, part in self.parts():
            digest.update(f"{name} {part.digests} {part.targets.tolist()}".encode())
        return digest.hexdigest()[:20]

    def summary(self) -> Summary:
        """The summary of the data: counts, baseline, warnings and problems."""
        parts = dict(self.parts())
        counts = {name: self.counts(part) for name, part in parts.items()}
        classes = {
            name: {part: int(values[index]) for part, values in counts.items()}
            for index, name in enumerate(self.classes)
        }
        if self.multi_label:
            baseline = (
                f"always the more frequent decision: {self.majority:.1%} of the single decisions "
                "correct"
            )
        else:
            frequent = self.classes[int(counts["train"].argmax())]
            baseline = (
                f"always {frequent!r}: {self.majority:.1%} of the validation examples correct"
            )
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
    """The dataset without examples that cannot be used, by part and index; each is added to the
    problems.
    """
    parts: dict[str, Any] = {}
    problems = list(dataset.problems)
    for name, part in dataset.parts():
        bad = failed.get(name, {})
        parts[name] = part.subset([i for i in range(len(part)) if i not in bad]) if bad else part
        problems += [str(bad[index]) for index in sorted(bad)]
    return replace(dataset, **parts, problems=tuple(problems))
