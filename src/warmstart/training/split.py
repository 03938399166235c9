"""Training and validation examples: stratified, whole groups, the same for the same seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np

from warmstart.errors import UsageError
from warmstart.training.options import share_of

T = TypeVar("T")


def split(
    examples: Sequence[T],
    validation: Any,
    seed: int,
    read: Callable[[Any], Sequence[T]],
    *,
    labels: Callable[[T], Collection[str]] | None = None,
    group: Callable[[T], Hashable] | None = None,
) -> tuple[list[T], list[T]]:
    """Training examples, and validation examples.

    Args:
        examples: all of them.
        validation: the option: data of its own, a share, "auto", or 0 for none.
        seed: of the choice.
        read: makes examples of data.
        labels: of an example; the split is stratified by its rarest one.
        group: examples with the same group stay together.

    Raises:
        UsageError: there are too few examples.
    """
    share = share_of(validation)
    if share is None:
        return list(examples), list(read(validation))
    if share == 0:
        return list(examples), []
    train, validation_rows = split_rows(
        len(examples),
        share,
        seed,
        strata=None if labels is None else rarest([labels(one) for one in examples]),
        groups=None if group is None else [group(one) for one in examples],
    )
    return [examples[row] for row in train], [examples[row] for row in validation_rows]


def split_rows(
    count: int,
    share: float,
    seed: int,
    *,
    strata: np.ndarray | None = None,
    groups: Sequence[Hashable] | None = None,
    fixed: Collection[int] = (),
) -> tuple[list[int], list[int]]:
    """Rows for training and rows for validation, both ascending.

    Of each stratum round(share * n) rows (or groups) go to validation, but at least one of two
    or more, and never all.

    Args:
        count: of rows.
        share: of validation, between 0 and 1.
        seed: of the choice.
        strata: int (count,).
        groups: rows with the same group stay together.
        fixed: rows that stay in training.

    Raises:
        UsageError: nothing could be set aside.
    """
    if not 0 < share < 1:
        raise UsageError(f"The validation share must be between 0 and 1, not {share}.")
    members: dict[Hashable, list[int]] = {}
    for row in range(count):
        members.setdefault(row if groups is None else groups[row], []).append(row)
    units = list(members.values())
    stratum_of = np.array([0 if strata is None else strata[unit[0]] for unit in units])
    random, stay = np.random.default_rng(seed), set(fixed)
    chosen: set[int] = set()
    for stratum in np.unique(stratum_of):
        rows = np.flatnonzero(stratum_of == stratum)
        free = [
            unit for unit in (units[row] for row in random.permutation(rows)) if not stay & {*unit}
        ]
        size = max(round(share * len(rows)), 1 if len(rows) > 1 else 0)
        chosen.update(row for unit in free[: min(size, len(rows) - 1)] for row in unit)
    if not chosen:
        raise UsageError(
            "There are too few examples to set some aside for validation: every class needs two or "
            "more; give validation data, or validation=0 where the task can do without."
        )
    return [row for row in range(count) if row not in chosen], sorted(chosen)


def rarest(labels: Sequence[Collection[str]]) -> np.ndarray:
    """The stratum of each example: the number of its rarest label, -1 without any; int (N,)."""
    counts = Counter(label for some in labels for label in some)
    number = {label: index for index, label in enumerate(sorted(counts))}
    return np.array(
        [number[min(some, key=lambda one: (counts[one], one))] if some else -1 for some in labels]
    )


def fingerprint(examples: Sequence[Any]) -> str:
    """Changes when an example does."""
    return sha256("\0".join(map(repr, examples)).encode("utf-8", "replace")).hexdigest()[:20]
