"""Batches of labelled photos: decoded, varied, scaled, with what the loss wants; they depend on seed and place only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from warmstart.catalog import ImagePreprocessing
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder, preprocessing
from warmstart.image.annotations.collector import BoxData, BoxedPhoto
from warmstart.image.annotations.masks import NOT_COUNTED, MaskData, MaskedPhoto
from warmstart.image.train.dense_augment import Variation, fitted, mosaic
from warmstart.training.batches import epoch_order, generator, parts

CACHE = 2**29  # bytes of decoded photos in memory


class _Photos:
    """What both kinds share: decoding with a bounded cache, orders, scaling."""

    def __init__(self, count: int, rules: ImagePreprocessing, batch_size: int, seed: int, vary: Variation | None):
        self.rules, self.batch_size, self.seed, self.vary = rules, batch_size, seed, vary
        self.count, self.parts = count, parts(count, batch_size)
        self.canvas = rules.size[::-1]
        self._kept: dict[int, Any] = {}
        self._room = CACHE
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.parts)

    def rows(self, epoch: int, index: int) -> np.ndarray:
        """Which photos are in a batch."""
        return epoch_order(self.count, self.seed, epoch)[self.parts[index]]

    def decoded(self, photo: Any, name: str) -> Image.Image:
        """The photo, at no less than twice the size of the input; kept in memory while there is room."""
        with self._lock:
            if (kept := self._kept.get(id(photo))) is not None:
                return kept
        try:
            picture = decoder.decode(photo, name=name, target=self.rules.size)
        except InputError as error:
            raise UsageError(f"{error}; it was readable when training began.") from error
        largest = 2 * max(self.canvas)
        if max(picture.size) > largest:
            picture.thumbnail((largest, largest), Image.Resampling.BILINEAR, reducing_gap=None)
        with self._lock:
            size = picture.width * picture.height * 3
            if size <= self._room:
                self._room -= size
                self._kept[id(photo)] = picture
        return picture

    def finished(self, picture: Image.Image, random: np.random.Generator | None) -> np.ndarray:
        """float32 (H, W, 3) as the network takes it."""
        pixels = np.asarray(picture)
        if random is not None and self.vary is not None and self.vary.colour:
            pixels = self.vary.coloured(pixels, random)
        return preprocessing.scale(pixels, self.rules)


class BoxBatches(_Photos):
    """Batches of a detector.

    Args:
        data: photos with boxes.
        rules: of the network's input.
        batch_size: the largest batch.
        seed: of orders and variation.
        vary: how photos are varied; None: not at all.
        targets: from boxes and labels of one picture to what the loss takes; None for photos that are only measured.
    """

    def __init__(self, data: BoxData, rules: ImagePreprocessing, batch_size: int, seed: int, vary: Variation | None,
                 targets: Callable[[np.ndarray, np.ndarray], np.ndarray] | None):
        super().__init__(len(data.photos), rules, batch_size, seed, vary)
        self.data, self.targets = data, targets

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        random = generator(self.seed, epoch, index)
        pictures, wanted = [], []
        for row in self.rows(epoch, index):
            picture, boxes, labels = self._varied(int(row), random)
            pictures.append(self.finished(picture, random))
            assert self.targets is not None
            wanted.append(self.targets(boxes, labels))
        return np.stack(pictures), np.stack(wanted)

    def _varied(self, row: int, random: np.random.Generator) -> tuple[Image.Image, np.ndarray, np.ndarray]:
        photo = self.data.photos[row]
        if self.vary is not None and random.random() < self.vary.mosaic and self.count >= 4:
            four = [photo, *(self.data.photos[int(n)] for n in random.integers(0, self.count, 3))]
            return mosaic([(self.decoded(p.photo, p.name), *_learned(p), p.size) for p in four], self.canvas,
                          self.vary, random)
        view = self.vary.view(photo.size, self.canvas, random) if self.vary else fitted(photo.size, self.canvas)
        boxes, labels = _learned(photo)
        moved, kept = view.boxes(boxes)
        return view.picture(self.decoded(photo.photo, photo.name)), moved[kept], labels[kept]

    def plain(self, photo: BoxedPhoto) -> np.ndarray:
        """One photo as it is when the model is used."""
        return self.finished(fitted(photo.size, self.canvas).picture(self.decoded(photo.photo, photo.name)), None)


def _learned(photo: BoxedPhoto) -> tuple[np.ndarray, np.ndarray]:
    return photo.boxes[~photo.crowd], photo.labels[~photo.crowd]


class MaskBatches(_Photos):
    """Batches of a segmenter; the targets are class indices (B, H, W) uint8, `NOT_COUNTED` beside the photo.

    Args: as for `BoxBatches`.
    """

    def __init__(self, data: MaskData, rules: ImagePreprocessing, batch_size: int, seed: int, vary: Variation | None):
        super().__init__(len(data.photos), rules, batch_size, seed, vary)
        self.data = data

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        random = generator(self.seed, epoch, index)
        pictures, wanted = [], []
        for row in self.rows(epoch, index):
            photo = self.data.photos[int(row)]
            picture, mask = self.decoded(photo.photo, photo.name), Image.fromarray(self.mask(photo))
            view = self.vary.view(mask.size, self.canvas, random) if self.vary else fitted(mask.size, self.canvas)
            pictures.append(self.finished(view.picture(picture), random))
            wanted.append(np.asarray(view.picture(mask, NOT_COUNTED, Image.Resampling.NEAREST)))
        return np.stack(pictures), np.stack(wanted)

    def mask(self, photo: MaskedPhoto) -> np.ndarray:
        """Its classes, kept in memory while there is room."""
        key = -id(photo)
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                return kept
        mask = photo.mask()
        with self._lock:
            if mask.size <= self._room:
                self._room -= mask.size
                self._kept[key] = mask
        return mask

    def plain(self, photo: MaskedPhoto) -> np.ndarray:
        """One photo as it is when the model is used."""
        picture = self.decoded(photo.photo, photo.name)
        return self.finished(fitted(picture.size, self.canvas).picture(picture), None)
