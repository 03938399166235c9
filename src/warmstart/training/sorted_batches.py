"""Batches of examples of similar lengths, so that little of a batch is padding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from warmstart.training.batches import batch_slices, epoch_order

ROUND = 8
"""Lengths are padded to a multiple of this, so that fewer shapes are traced."""
BUCKET = 32
"""The number of batches whose examples are sorted by length together."""


class SortedBatches(ABC):
    """Examples in a new order each epoch; among those of `BUCKET` batches, examples of similar
    length share a batch.

    Args:
        lengths: of the examples.
        batch_size: the largest batch.
        shuffle: whether the order changes from epoch to epoch; False for validation.
        seed: of the orders.
    """

    def __init__(
        self, lengths: Sequence[int], *, batch_size: int = 16, shuffle: bool = True, seed: int = 0
    ):
        self.lengths, self.batch_size, self.shuffle, self.seed = (
            np.array(lengths),
            batch_size,
            shuffle,
            seed,
        )
        self._orders: dict[int, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(batch_slices(len(self.lengths), self.batch_size))

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        return self.padded(epoch, index, 0)

    def longer(self, epoch: int, index: int) -> tuple[Any, ...]:
        """The same batch with more padding; comparing the two shows which axes vary in length."""
        return self.padded(epoch, index, 1)

    @abstractmethod
    def padded(self, epoch: int, index: int, more: int) -> tuple[Any, ...]:
        """A batch padded to `length` of its rows; the only batch of an epoch has the same length in
        all epochs.
        """

    def length(self, rows: np.ndarray, more: int) -> int:
        """The padded length of a batch of these examples: that of the longest, rounded up to a
        multiple of `ROUND` so that few shapes are traced, plus `more` times `ROUND`.
        """
        return (-(-int(self.lengths[rows].max()) // ROUND) + more) * ROUND

    def indices(self, epoch: int, index: int) -> np.ndarray:
        """The indices of the batch's examples."""
        if epoch not in self._orders:
            self._orders = {epoch: self._epoch(epoch)}
        return self._orders[epoch][index]

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        count = len(self.lengths)
        if not self.shuffle:
            order = np.argsort(self.lengths, kind="stable")
            return [order[rows] for rows in batch_slices(count, self.batch_size)]
        order = epoch_order(count, self.seed, epoch)
        size = self.batch_size * BUCKET
        sorted_order = np.concatenate(
            [
                chunk[np.argsort(self.lengths[chunk], kind="stable")]
                for start in range(0, count, size)
                for chunk in [order[start : start + size]]
            ]
        )
        batches = [sorted_order[rows] for rows in batch_slices(count, self.batch_size)]
        return [
            batches[index]
            for index in np.random.default_rng((self.seed, epoch, 1)).permutation(len(batches))
        ]
