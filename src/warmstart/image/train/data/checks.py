"""Checks of labelled photos before training, and warnings about them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from warmstart.core.records import abbreviated
from warmstart.errors import UsageError
from warmstart.image.train.data.examples import Dataset
from warmstart.training.repeats import Content, repeats


def checked(dataset: Dataset) -> Dataset:
    """The dataset with its warnings.

    Raises:
        UsageError: a class has no training examples, or there are no validation examples.
    """
    counts = dataset.counts(dataset.train)
    if empty := [name for name, count in zip(dataset.classes, counts, strict=True) if not count]:
        raise UsageError(
            f"There are no training examples of {abbreviated(empty)}: add some, or remove the class."
        )
    if not len(dataset.validation):
        raise UsageError("The validation split is empty; pass other data, or validation=0.2.")
    warnings = list(repeats(_contents(dataset)))
    missing = [
        n for n, c in zip(dataset.classes, dataset.counts(dataset.validation), strict=True) if not c
    ]
    if missing:
        warnings.append(
            f"validation has no example of {abbreviated(missing)}, so its accuracy is not measured"
        )
    if not dataset.multi_label and counts.max() > 10 * counts.min():
        names = dataset.classes[int(counts.argmax())], dataset.classes[int(counts.argmin())]
        warnings.append(
            f"{names[0]!r} has {counts.max():,} examples and {names[1]!r} {counts.min():,}; "
            "class_weight='balanced' weights the classes equally"
        )
    return replace(dataset, warnings=tuple(warnings))


def _contents(dataset: Dataset) -> Iterator[Content]:
    for name, split in dataset.splits():
        for value, target, digest in zip(split.inputs, split.targets, split.digests, strict=True):
            yield Content(name, _file(value), digest, target)


def _file(value: Any) -> str:
    return str(value) if isinstance(value, str | os.PathLike) else "a picture in memory"
