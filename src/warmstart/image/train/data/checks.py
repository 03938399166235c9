"""What is checked of labelled photos before training, and what the user is warned of."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from warmstart.core.records import few
from warmstart.core.terminal import counted
from warmstart.errors import UsageError
from warmstart.image.train.data.examples import Dataset


def checked(dataset: Dataset) -> Dataset:
    """The dataset with its warnings.

    Raises:
        UsageError: a class has no example to train on, or there is nothing to validate with.
    """
    counts = dataset.counts(dataset.train)
    if empty := [name for name, count in zip(dataset.classes, counts, strict=True) if not count]:
        raise UsageError(
            f"There is nothing to train on for {few(empty)}: add examples, or remove the class."
        )
    if not len(dataset.validation):
        raise UsageError("The validation part is empty; give other data, or validation=0.2.")
    warnings = list(_repeats(dataset))
    missing = [
        n for n, c in zip(dataset.classes, dataset.counts(dataset.validation), strict=True) if not c
    ]
    if missing:
        warnings.append(
            f"validation has no example of {few(missing)}, so nothing is known of how well it is learned"
        )
    if not dataset.multi_label and counts.max() > 10 * counts.min():
        names = dataset.classes[int(counts.argmax())], dataset.classes[int(counts.argmin())]
        warnings.append(
            f"{names[0]!r} has {counts.max():,} examples and {names[1]!r} {counts.min():,}; "
            "class_weight='balanced' makes them count alike"
        )
    return replace(dataset, warnings=tuple(warnings))


def _repeats(dataset: Dataset) -> Iterable[str]:
    """Warnings of contents that are in two parts, or twice with different labels."""
    seen: dict[str, tuple[str, Any, Any]] = {}
    across: list[str] = []
    torn: list[str] = []
    for name, part in dataset.parts():
        for value, target, digest in zip(part.inputs, part.targets, part.digests, strict=True):
            before = seen.setdefault(digest, (name, target, value))
            if before[0] != name:
                across.append(_file(value))
            if not np.array_equal(before[1], target):
                torn.append(_file(value))
    if across:
        yield (
            f"{counted(len(across), 'example')} in two parts, which makes the figures look better than they are: "
            f"{few(across)}"
        )
    if torn:
        yield f"{counted(len(torn), 'example')} there twice with different labels: {few(torn)}"


def _file(value: Any) -> str:
    return str(value) if isinstance(value, str | os.PathLike) else "a picture in memory"
