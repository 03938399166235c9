"""Batches of photos, decoded by threads, and augmented by random numbers that depend on the epoch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from warmstart.catalog import ImagePreprocessing
from warmstart.core.reading import input_name
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder, preprocessing
from warmstart.image.train.photos import Photos
from warmstart.training.batches import batch_slices, epoch_order, generator

Augment = Callable[[Image.Image, np.random.Generator, tuple[int, int]], Image.Image]


class PhotoBatches:
    """Batches of labelled photos: their order, and decoding.

    Args:
        photos: stores decoded photos.
        split: of the data, such as "train".
        inputs: paths, PIL images or arrays.
        names: of the inputs, for messages; default: from the inputs.
        keys: of the decoded photos; default: split and row.
        rules: of the network's input.
        batch_size: the largest batch.
        seed: of orders and augmentation.
        shuffle: whether the order changes from epoch to epoch.
    """

    def __init__(
        self,
        photos: Photos,
        split: str,
        inputs: Sequence[Any],
        rules: ImagePreprocessing,
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        names: Sequence[str] | None = None,
        keys: Sequence[Hashable] | None = None,
    ):
        self.photos, self.split, self.inputs, self.names = photos, split, inputs, names
        self.keys = [(split, row) for row in range(len(inputs))] if keys is None else keys
        self.rules, self.seed, self.shuffle = rules, seed, shuffle
        self.count, self.batch_size = len(inputs), batch_size
        self.slices = batch_slices(self.count, batch_size)

    def __len__(self) -> int:
        return len(self.slices)

    def rows(self, epoch: int, index: int) -> np.ndarray:
        """The indices of the photos in a batch."""
        order = epoch_order(self.count, self.seed, epoch) if self.shuffle else np.arange(self.count)
        return order[self.slices[index]]

    def decoded(self, row: int) -> Image.Image:
        """The decoded photo, at least of the size that preprocessing needs."""
        return self.photos.decoded(self.keys[row], self.inputs[row], partial(self.decode, row))

    def decode(self, row: int, source: Any) -> Image.Image:
        """Decode the photo from its file or content."""
        name = input_name(self.inputs[row]) if self.names is None else self.names[row]
        try:
            return decoder.decode(source, name=name, target=self.target())
        except InputError as error:
            raise UsageError(f"{error}; it was readable when training started.") from error

    def target(self) -> tuple[int, int] | None:
        """The (height, width) to which decoding may reduce a photo."""
        return preprocessing.decode_target(self.rules)


class LabelledBatches(PhotoBatches):
    """Batches (float32 (B, H, W, 3), targets[, weights]) of a classifier.

    Args:
        targets: (N, …).
        weights: of the examples, (N,), or None.
        augment: returns a random view of a training photo in the network's size; None: the view
            for predicting.
    """

    def __init__(
        self,
        *arguments: Any,
        targets: np.ndarray,
        weights: np.ndarray | None = None,
        augment: Augment | None = None,
        **options: Any,
    ):
        super().__init__(*arguments, **options)
        self.targets, self.weights, self.augment = targets, weights, augment

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        return self._of_rows(self.rows(epoch, index), epoch)

    def part_of(self, epoch: int, index: int, rank: int, count: int) -> tuple[Any, ...]:
        """Part `rank` of `count` of a batch; only the photos of the part are read."""
        return self._of_rows(np.array_split(self.rows(epoch, index), count)[rank], epoch)

    def _of_rows(self, rows: np.ndarray, epoch: int) -> tuple[Any, ...]:
        if not len(rows):
            return tuple(np.empty(0) for _ in range(2))
        images = np.stack([self._photo(int(row), epoch) for row in rows])
        targets = self.targets[rows]
        return (images, targets) if self.weights is None else (images, targets, self.weights[rows])

    def _photo(self, row: int, epoch: int) -> np.ndarray:
        picture = self.decoded(row)
        if self.augment is not None:
            picture = self.augment(picture, generator(self.seed, epoch, row), self.rules.size)
        return preprocessing.preprocess(picture, self.rules)
