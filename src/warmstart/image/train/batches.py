"""Photos as batches for the network, decoded by threads and varied by the random numbers of their epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from warmstart.catalog import ImagePreprocessing
from warmstart.image import decoder, preprocessing
from warmstart.training.batches import epoch_order, generator, parts

KEEP_BYTES = 512 * 2**20  # of decoded photos, so that small data sets are decoded once
Vary = Callable[[Image.Image, np.random.Generator, tuple[int, int]], Image.Image]


class PhotoBatches:
    """Batches (float32 (B, H, W, 3), targets[, weights]).

    Args:
        photos: paths, PIL images or arrays.
        targets: (N, …).
        rules: of the base.
        batch_size: the largest batch.
        weights: of the examples, (N,), or None.
        vary: makes the view of a photo that is trained on, in the network's size; None: as for predicting.
        shuffle: whether the order changes from epoch to epoch.
        seed: of orders and views.
    """

    def __init__(self, photos: tuple[Any, ...], targets: np.ndarray, rules: ImagePreprocessing, *, batch_size: int,
                 weights: np.ndarray | None = None, vary: Vary | None = None, shuffle: bool = True, seed: int = 0):
        self.photos, self.targets, self.weights, self.rules = photos, targets, weights, rules
        self.vary, self.shuffle, self.seed = vary, shuffle, seed
        self.parts = parts(len(photos), batch_size)
        self.kept: dict[int, Image.Image] = {}
        self.room = KEEP_BYTES

    def __len__(self) -> int:
        return len(self.parts)

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        order = epoch_order(len(self.photos), self.seed, epoch) if self.shuffle else np.arange(len(self.photos))
        rows = order[self.parts[index]]
        images = np.stack([self._photo(int(row), epoch) for row in rows])
        targets = self.targets[rows]
        return (images, targets) if self.weights is None else (images, targets, self.weights[rows])

    def _photo(self, place: int, epoch: int) -> np.ndarray:
        picture = self._decoded(place)
        if self.vary is not None:
            picture = self.vary(picture, generator(self.seed, epoch, place), self.rules.size)
        return preprocessing.preprocess(picture, self.rules)

    def _decoded(self, place: int) -> Image.Image:
        if (known := self.kept.get(place)) is not None:
            return known
        picture = decoder.decode(self.photos[place], target=preprocessing.decode_target(self.rules))
        size = 3 * picture.width * picture.height
        if size <= self.room:  # two threads may both find room; the bound is a rough one
            self.room -= size
            self.kept[place] = picture
        return picture

