"""Batches of photos with boxes or masks: decoded, augmented, scaled; they depend on seed and index
only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from warmstart.catalog import ImagePreprocessing
from warmstart.image import preprocessing
from warmstart.image.annotations.box_data import BoxData, BoxedPhoto
from warmstart.image.annotations.mask_values import NOT_COUNTED
from warmstart.image.annotations.masks import MaskData
from warmstart.image.train.batches import PhotoBatches
from warmstart.image.train.dense_augment import Variation, fitted, mosaic
from warmstart.image.train.fcos_targets import IGNORED
from warmstart.image.train.photos import Photos
from warmstart.training.batches import generator


class DenseBatches(PhotoBatches):
    """What both share.

    Args:
        photos, part, rules, batch_size, seed: as for `PhotoBatches`.
        data: photos with boxes or masks.
        vary: how photos are augmented; None: not at all.
    """

    def __init__(
        self,
        photos: Photos,
        part: str,
        data: Any,
        rules: ImagePreprocessing,
        *,
        batch_size: int,
        seed: int,
        vary: Variation | None,
    ):
        inputs = [one.photo for one in data.photos]
        names = [one.name for one in data.photos]
        super().__init__(photos, part, inputs, rules, batch_size=batch_size, seed=seed, names=names)
        self.data, self.vary = data, vary
        self.canvas = rules.size[::-1]

    def target(self) -> tuple[int, int]:
        return self.rules.size

    def decode(self, row: int, source: Any) -> Image.Image:
        """The photo, at most twice the size of the input."""
        picture = super().decode(row, source)
        largest = 2 * max(self.canvas)
        if max(picture.size) > largest:
            picture.thumbnail((largest, largest), Image.Resampling.BILINEAR, reducing_gap=None)
        return picture

    def scaled(self, picture: Image.Image, random: np.random.Generator | None) -> np.ndarray:
        """float32 (H, W, 3) as the network takes it."""
        pixels = np.asarray(picture)
        if random is not None and self.vary is not None and self.vary.colour:
            pixels = self.vary.coloured(pixels, random)
        return preprocessing.scale(pixels, self.rules)

    def plain(self, row: int) -> np.ndarray:
        """One photo as it is when the model is used."""
        view = fitted(self.photo_size(row), self.canvas)
        return self.scaled(view.picture(self.decoded(row)), None)

    def photo_size(self, row: int) -> tuple[int, int]:
        """(width, height) of the photo, or of what was decoded of it."""
        return self.decoded(row).size


class BoxBatches(DenseBatches):
    """Batches of a detector.

    Args:
        targets: from boxes and labels of one picture to what the loss takes; None for photos that
            are only measured.
    """

    data: BoxData

    def __init__(
        self,
        *arguments: Any,
        targets: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
        **options: Any,
    ):
        super().__init__(*arguments, **options)
        self.targets = targets

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        assert self.targets is not None
        random = generator(self.seed, epoch, index)
        pictures, targets = [], []
        for row in self.rows(epoch, index):
            picture, boxes, labels = self._augmented(int(row), random)
            pictures.append(self.scaled(picture, random))
            targets.append(self.targets(boxes, labels))
        return np.stack(pictures), np.stack(targets)

    def photo_size(self, row: int) -> tuple[int, int]:
        return self.data.photos[row].size

    def _augmented(
        self, row: int, random: np.random.Generator
    ) -> tuple[Image.Image, np.ndarray, np.ndarray]:
        photos, vary = self.data.photos, self.vary
        if vary is not None and random.random() < vary.mosaic and self.count >= 4:
            rows = [row, *(int(other) for other in random.integers(0, self.count, 3))]
            four = [(self.decoded(n), *_boxes(photos[n]), photos[n].size) for n in rows]
            return mosaic(four, self.canvas, vary, random)
        size = photos[row].size
        view = vary.view(size, self.canvas, random) if vary else fitted(size, self.canvas)
        boxes, labels = _boxes(photos[row])
        moved, inside = view.boxes(boxes)
        return view.picture(self.decoded(row)), moved[inside], labels[inside]


def _boxes(photo: BoxedPhoto) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and labels to train on; crowds and difficult ones are `IGNORED`."""
    return photo.boxes, np.where(photo.counted, photo.labels, IGNORED)


class MaskBatches(DenseBatches):
    """Batches of a segmenter; targets are class indices (B, H, W) uint8, `NOT_COUNTED` outside the
    photo.
    """

    data: MaskData

    def batch(self, epoch: int, index: int) -> tuple[Any, ...]:
        random = generator(self.seed, epoch, index)
        pictures, targets = [], []
        for row in self.rows(epoch, index):
            picture, mask = self.decoded(int(row)), Image.fromarray(self.mask(int(row)))
            size = mask.size
            view = (
                self.vary.view(size, self.canvas, random)
                if self.vary
                else fitted(size, self.canvas)
            )
            pictures.append(self.scaled(view.picture(picture), random))
            targets.append(np.asarray(view.picture(mask, NOT_COUNTED, Image.Resampling.NEAREST)))
        return np.stack(pictures), np.stack(targets)

    def mask(self, row: int) -> np.ndarray:
        """Its classes, uint8 (H, W)."""
        photo = self.data.photos[row]
        return self.photos.decoded(("mask", self.part, row), None, lambda _: photo.mask())
