"""Batches of tokenised texts, and the loss of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.text.tokenizer import Encoded, padded
from warmstart.training.sorted_batches import SortedBatches

Pad = Callable[[Sequence[Encoded], int], dict[str, np.ndarray]]


def padder(config: Mapping[str, Any]) -> Pad:
    """Makes what an encoder of this config takes of texts, at some length."""
    last_type = max(config["type_vocab_size"] - 1, 0)

    def pad(texts: Sequence[Encoded], length: int) -> dict[str, np.ndarray]:
        arrays = padded(texts, config["pad_token_id"], to=length)
        return {**arrays, "token_type_ids": np.minimum(arrays["token_type_ids"], last_type)}

    return pad


def weighted_loss() -> dict[str, keras.losses.Loss]:
    """The mean cross-entropy of the tokens that have a weight."""
    mean = "mean_with_sample_weight"
    return {"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=mean)}


class TextBatches(SortedBatches):
    """Texts of similar lengths together.

    Args:
        encoded: the texts.
        targets: called with (rows of texts, length of the batch); returns y, or (y, sample
            weights).
        pad: called with (texts, length); returns the model's inputs.
        batch_size, shuffle, seed: as for `SortedBatches`.
    """

    def __init__(
        self,
        encoded: Sequence[Encoded],
        targets: Callable[[np.ndarray, int], Any],
        pad: Pad,
        *,
        batch_size: int = 16,
        shuffle: bool = True,
        seed: int = 0,
    ):
        super().__init__(
            [len(sequence) for sequence in encoded],
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
        )
        self.encoded, self.targets, self.pad = encoded, targets, pad

    def padded(self, epoch: int, index: int, more: int) -> tuple[Any, ...]:
        rows = self.indices(epoch, index)
        length = self.length(rows, more)
        targets = self.targets(rows, length)
        inputs = self.pad([self.encoded[row] for row in rows], length)
        return (inputs, *targets) if isinstance(targets, tuple) else (inputs, targets)
