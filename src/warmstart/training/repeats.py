"""Warnings about repeated examples."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from warmstart.core.records import abbreviated
from warmstart.counts import counted

T = TypeVar("T")


class Content(NamedTuple):
    """An example, for the comparison with others.

    Attributes:
        split: "train", "validation" or "test".
        name: of the example, for warnings.
        content: equal for equal inputs.
        target: its label or labels.
    """

    split: str
    name: str
    content: Hashable
    target: Any


def contents(
    splits: Mapping[str, Sequence[T]],
    content_of: Callable[[T], Hashable],
    labels_of: Callable[[T], Iterable[str]],
) -> Iterator[Content]:
    """The contents of examples by split; examples without content (None) are left out."""
    for split, examples in splits.items():
        for row, example in enumerate(examples, 1):
            if (content := content_of(example)) is not None:
                name = getattr(example, "name", f"{split} {row}")
                yield Content(split, name, content, sorted(labels_of(example)))


def repeats(examples: Iterable[Content]) -> Iterator[str]:
    """Warnings about contents that are in two splits, or have different labels."""
    seen: dict[Hashable, Content] = {}
    across: list[str] = []
    conflicting: list[str] = []
    for example in examples:
        first = seen.setdefault(example.content, example)
        if first.split != example.split:
            across.append(example.name)
        if not np.array_equal(first.target, example.target):
            conflicting.append(example.name)
    if across:
        yield (
            f"{counted(len(across), 'example')} in two splits, which makes the metrics look "
            f"better than they are: {abbreviated(across)}"
        )
    if conflicting:
        yield (
            f"{counted(len(conflicting), 'example')} repeated with different labels: "
            f"{abbreviated(conflicting)}"
        )
