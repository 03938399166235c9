"""Splits into training and validation examples: stratified, by whole groups, and reproducible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.training.options import validation_fraction

T = TypeVar("T")
MUCH = 1.5
"""A warning says that groups enlarged the validation data by more than this factor."""


class Split(NamedTuple, Generic[T]):
    """Examples by purpose; those of `test` are used neither for training nor for selection."""

    train: list[T]
    validation: list[T]
    test: list[T]
    warnings: tuple[str, ...] = ()


def split(
    examples: Sequence[T],
    validation: Any,
    seed: int,
    read: Callable[[Any], Sequence[T]],
    *,
    labels: Callable[[T], Collection[str]] | None = None,
    group: Callable[[T], Hashable] | None = None,
    split_of: Callable[[T], str | None] | None = None,
) -> Split[T]:
    """Training, validation and test examples.

    Args:
        examples: all of them.
        validation: the option: other data, a fraction, "auto", or 0 for none.
        seed: of the random choice.
        read: reads the examples of other data.
        labels: of an example; the split is stratified by its rarest one.
        group: of an example; examples of a group stay together; None: no group.
        split_of: the split of an example in the data: "train", "validation", "test", or None.

    Raises:
        UsageError: there are too few examples.
    """
    splits = by_split(examples, split_of)
    train, own = splits["train"], splits["validation"]
    if not examples:
        raise UsageError("The data contains no examples.")
    if not train:
        raise UsageError(
            "The data assigns all examples to validation or testing; none is left to train on."
        )
    fraction = validation_fraction(validation)
    if fraction is None:
        others = by_split(read(validation), split_of)
        return Split(
            train, others["validation"] or others["train"] or others["test"], splits["test"]
        )
    if own and validation == "auto":
        return Split(train, own, splits["test"])
    warnings: tuple[str, ...] = ()
    if own:
        count = counted(len(own), "validation example")
        verb = "is" if len(own) == 1 else "are"
        warnings = (
            f"the {count} from the data {verb} not used, because validation is {validation!r}",
        )
    if fraction == 0:
        return Split(train, [], splits["test"], warnings)
    groups = None if group is None else group_keys(list(map(group, train)))
    rows = split_rows(
        len(train),
        fraction,
        seed,
        strata=None if labels is None else rarest([labels(example) for example in train]),
        groups=groups,
    )
    first, second = ([train[row] for row in indices] for indices in rows)
    units = len(train) if groups is None else len({*groups})
    if units < len(train) and len(second) > MUCH * fraction * len(train) + 1:
        warnings += (
            f"{len(second):,} of {len(train):,} examples ({len(second) / len(train):.0%}) are set aside for "
            f"validation, not {fraction:.0%}: they stay together in {counted(units, 'group')}",
        )
    return Split(first, second, splits["test"], warnings)


def by_split(
    examples: Sequence[T], split_of: Callable[[T], str | None] | None
) -> dict[str, list[T]]:
    """The examples for training, validation and test; those without a split are for training."""
    splits: dict[str, list[T]] = {"train": [], "validation": [], "test": []}
    for example in examples:
        splits[(split_of(example) if split_of else None) or "train"].append(example)
    return splits


def group_keys(groups: Sequence[Hashable]) -> list[Hashable]:
    """A key per example, equal within a group; an example without a group has a unique key."""
    return [("row", row) if group is None else group for row, group in enumerate(groups)]


def split_rows(
    count: int,
    fraction: float,
    seed: int,
    *,
    strata: np.ndarray | None = None,
    groups: Sequence[Hashable] | None = None,
    fixed: Collection[int] = (),
) -> tuple[list[int], list[int]]:
    """Rows for training and rows for validation, both ascending.

    Of each stratum round(fraction * n) rows (or groups) go to validation, but at least one of two
    or more, and never all.

    Args:
        count: of rows.
        fraction: for validation, between 0 and 1.
        seed: of the random choice.
        strata: int (count,).
        groups: of the rows; rows of a group stay together.
        fixed: rows that stay in training.

    Raises:
        UsageError: nothing could be set aside.
    """
    if not 0 < fraction < 1:
        raise UsageError(f"The validation fraction must be between 0 and 1, not {fraction}.")
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
        size = max(round(fraction * len(rows)), 1 if len(rows) > 1 else 0)
        chosen.update(row for unit in free[: min(size, len(rows) - 1)] for row in unit)
    if not chosen and len(units) < count:
        raise UsageError(
            f"The {count:,} examples are in {counted(len(units), 'group')} that stay "
            "together (equal cells of group_column, or the same text), too few to set some "
            "aside for validation: every class needs two or more groups; pass validation "
            "data, or another group_column."
        )
    if not chosen and fixed:
        raise UsageError(
            f"No example can be set aside for validation: {len(stay):,} of {count:,} appear "
            "more than once, and repeated examples stay together in training. Remove the "
            "repeats, or pass validation data."
        )
    if not chosen:
        raise UsageError(
            "There are too few examples to set some aside for validation: no class has more "
            "than one; pass validation data, or validation=0 if the task allows it."
        )
    return [row for row in range(count) if row not in chosen], sorted(chosen)


def rarest(labels: Sequence[Collection[str]]) -> np.ndarray:
    """The stratum of each example: the index of its rarest label, -1 without labels; int (N,)."""
    counts = Counter(name for names in labels for name in names)
    index_of = {name: index for index, name in enumerate(sorted(counts))}
    return np.array(
        [
            index_of[min(names, key=lambda name: (counts[name], name))] if names else -1
            for names in labels
        ]
    )


def fingerprint(examples: Sequence[Any]) -> str:
    """A digest of the examples."""
    return sha256("\0".join(map(repr, examples)).encode("utf-8", "replace")).hexdigest()[:20]
