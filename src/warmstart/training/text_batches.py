"""Batches of tokenised texts of similar lengths, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from warmstart.inputs.text import Encoded
from warmstart.training.batches import epoch_order, parts

ROUND = 8  # lengths are padded to a multiple of this, so that fewer shapes are traced
BUCKET = 32  # batches whose texts are sorted by length together


class TextBatches:
    """Texts in a new order each epoch; of every `BUCKET` batches' worth of them, those of similar length go together.

    Args:
        encoded: the texts.
        targets: called with (places of texts, length of the batch); returns y, or (y, sample weights).
        pad: called with (texts, length); returns the model's inputs.
        batch_size: the largest batch.
        shuffle: whether the order changes from epoch to epoch; False for validation.
        seed: of the orders.
    """

    def __init__(self, encoded: Sequence[Encoded], targets: Callable[[np.ndarray, int], Any],
                 pad: Callable[[Sequence[Encoded], int], dict[str, np.ndarray]], *, batch_size: int = 16,
                 shuffle: bool = True, seed: int = 0):
        self.encoded, self.targets, self.pad = encoded, targets, pad
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.lengths = np.array([len(one) for one in encoded])
        self._orders: dict[int, list[np.ndarray]] = {}

    def __len__(self) -> int:
        return len(parts(len(self.encoded), self.batch_size))

    def places(self, epoch: int, index: int) -> np.ndarray:
        """Which texts the batch holds."""
        if epoch not in self._orders:
            self._orders = {epoch: self._epoch(epoch)}
        return self._orders[epoch][index]

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        places = self.places(epoch, index)
        length = -(-int(self.lengths[places].max()) // ROUND) * ROUND
        targets = self.targets(places, length)
        given = self.pad([self.encoded[place] for place in places], length)
        return (given, *targets) if isinstance(targets, tuple) else (given, targets)

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        count = len(self.encoded)
        if not self.shuffle:
            order = np.argsort(self.lengths, kind="stable")
            return [order[part] for part in parts(count, self.batch_size)]
        order = epoch_order(count, self.seed, epoch)
        size = self.batch_size * BUCKET
        sorted_order = np.concatenate([
            chunk[np.argsort(self.lengths[chunk], kind="stable")]
            for start in range(0, count, size) for chunk in [order[start:start + size]]
        ])
        batches = [sorted_order[part] for part in parts(count, self.batch_size)]
        return [batches[place] for place in np.random.default_rng((self.seed, epoch, 1)).permutation(len(batches))]
