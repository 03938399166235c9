"""Batches of training data that depend only on seed, epoch and index, so that a resumed run sees
the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from warmstart.errors import UsageError


class Batches(Protocol):
    """The same number of batches in every epoch, each a function of (seed, epoch, index)."""

    def __len__(self) -> int:
        """Batches per epoch."""

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        """(x, y) or (x, y, sample_weight) as `keras.Model.fit` takes them; may be called from
        several threads.
        """


class ArrayBatches:
    """Batches of arrays in memory, in a new order each epoch.

    An epoch has ceil(N / batch_size) batches of nearly equal size, so that no small last batch
    counts as much as a full one.

    Args:
        x, y, weights: arrays (N, …), or dicts, tuples or lists of them; weights (N,) or None.
        batch_size: the largest batch.
        shuffle: whether the order changes from epoch to epoch; False for validation.
        seed: of the orders.
        augment: called with (x, y, random generator of this batch); returns (x, y).
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        *,
        batch_size: int = 32,
        weights: np.ndarray | None = None,
        shuffle: bool = True,
        seed: int = 0,
        augment: Callable[[Any, Any, np.random.Generator], tuple[Any, Any]] | None = None,
    ):
        self.x, self.y, self.weights = x, y, weights
        self.seed, self.shuffle, self.augment = seed, shuffle, augment
        self.count = len(_first(x))
        self.slices = batch_slices(self.count, batch_size)

    def __len__(self) -> int:
        return len(self.slices)

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        order = epoch_order(self.count, self.seed, epoch) if self.shuffle else np.arange(self.count)
        rows = order[self.slices[index]]
        x, y = take(self.x, rows), take(self.y, rows)
        if self.augment is not None:
            x, y = self.augment(x, y, generator(self.seed, epoch, index))
        return (x, y) if self.weights is None else (x, y, self.weights[rows])


def batch_slices(count: int, batch_size: int) -> list[slice]:
    """Slices of `count` rows: the fewest batches of at most `batch_size`, of nearly equal size."""
    if count < 1 or batch_size < 1:
        raise UsageError(
            f"Batches need 1 example or more and a size of 1 or more, not {count} and {batch_size}."
        )
    edges = np.linspace(0, count, -(-count // batch_size) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)]


def epoch_order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the examples in an epoch: a permutation of range(count)."""
    return np.random.default_rng((seed, epoch)).permutation(count)


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random generator of one batch (or example) of one epoch."""
    return np.random.default_rng((seed, epoch, index))


def take(arrays: Any, rows: Any) -> Any:
    """The same rows of every array in a structure of dicts, tuples and lists."""
    if isinstance(arrays, Mapping):
        return {name: take(value, rows) for name, value in arrays.items()}
    if isinstance(arrays, tuple | list):
        return type(arrays)(take(value, rows) for value in arrays)
    return arrays[rows]


def _first(arrays: Any) -> Any:
    if isinstance(arrays, Mapping):
        return _first(next(iter(arrays.values())))
    return _first(arrays[0]) if isinstance(arrays, tuple | list) else arrays


def is_sparse(loss: Any) -> bool:
    """Whether a loss takes class numbers instead of vectors."""
    name = loss if isinstance(loss, str) else type(loss).__name__
    return "sparse" in name.lower()


def example_weights(weights: Any, labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """A weight per example (N,) float32, of mean 1.

    Args:
        weights: "balanced", or a weight by class name; other classes have the weight 1.
        labels: class numbers, int (N,).
        names: of the classes.

    Raises:
        UsageError: a class does not exist, or the weights of all examples are 0.
    """
    if weights == "balanced":
        return class_weights(labels, len(names))
    if unknown := [name for name in weights if name not in names]:
        known = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise UsageError(
            f"class_weight names {unknown[0]!r}, which is not a class; the classes are {known}."
        )
    per_class = np.array([weights.get(name, 1.0) for name in names], np.float32)
    weight: np.ndarray = per_class[labels]
    if not weight.any():
        raise UsageError(f"class_weight is 0 for all {len(labels):,} training examples.")
    return np.asarray(weight / weight.mean())


def class_weights(labels: np.ndarray, classes: int) -> np.ndarray:
    """A weight per example (N,) float32 that gives every class the same sum; the mean is 1.

    N / (classes * count of the class), King and Zeng, "Logistic Regression in Rare Events Data"
    (2001).
    """
    counts = np.bincount(labels, minlength=classes)
    present = max(1, int((counts > 0).sum()))
    weights: np.ndarray = (len(labels) / (present * np.maximum(counts, 1)))[labels]
    return weights.astype(np.float32)
