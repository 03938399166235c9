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
        groups: examples of a group stay in one split; empty without groups.
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

    def splits(self) -> Iterator[tuple[str, Examples]]:
        """(name, examples) of each split."""
        for name in ("train", "validation", "test"):
            if (split := getattr(self, name)) is not None:
                yield name, split

    def counts(self, split: Examples) -> np.ndarray:
        """The number of examples per class, int (classes,)."""
        if self.multi_label:
            return np.asarray(split.targets.sum(0).astype(int))
        return np.bincount(split.targets, minlength=len(self.classes))

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
        """A digest of contents, labels and splits."""
        digest = sha256(repr((self.classes, self.multi_label)).encode())
        for name, split in self.splits():
            digest.update(f"{name} {split.digests} {split.targets.tolist()}".encode())
        return digest.hexdigest()[:20]

    def summary(self) -> Summary:
        """The summary of the data: counts, baseline, warnings and problems."""
        splits = dict(self.splits())
        counts = {name: self.counts(split) for name, split in splits.items()}
        classes = {
            name: {split: int(values[index]) for split, values in counts.items()}
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
        sizes = {name: len(split) for name, split in splits.items()}
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
    """The dataset without examples that cannot be used, by split and index; each is added to the
    problems.
    """
    splits: dict[str, Any] = {}
    problems = list(dataset.problems)
    for name, split in dataset.splits():
        bad = failed.get(name, {})
        splits[name] = (
            split.subset([i for i in range(len(split)) if i not in bad]) if bad else split
        )
        problems += [str(bad[index]) for index in sorted(bad)]
    return replace(dataset, **splits, problems=tuple(problems))
