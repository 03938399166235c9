"""Batches of photos with boxes or masks: decoded, augmented and scaled."""

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
    """Batches of photos with boxes or masks.

    Args:
        photos, split, rules, batch_size, seed: as for `PhotoBatches`.
        data: photos with boxes or masks.
        augment: the random changes of photos; None: none.
    """

    def __init__(
        self,
        photos: Photos,
        split: str,
        data: Any,
        rules: ImagePreprocessing,
        *,
        batch_size: int,
        seed: int,
        augment: Variation | None,
    ):
        inputs = [photo.photo for photo in data.photos]
        names = [photo.name for photo in data.photos]
        super().__init__(
            photos, split, inputs, rules, batch_size=batch_size, seed=seed, names=names
        )
        self.data, self.augment = data, augment
        self.canvas = rules.size[::-1]

    def target(self) -> tuple[int, int]:
        return self.rules.size

    def decode(self, row: int, source: Any) -> Image.Image:
        """Decode the photo, at most at twice the size of the input."""
        picture = super().decode(row, source)
        largest = 2 * max(self.canvas)
        if max(picture.size) > largest:
            picture.thumbnail((largest, largest), Image.Resampling.BILINEAR, reducing_gap=None)
        return picture

    def scaled(self, picture: Image.Image, random: np.random.Generator | None) -> np.ndarray:
        """The network's input, float32 (H, W, 3)."""
        pixels = np.asarray(picture)
        if random is not None and self.augment is not None and self.augment.colour:
            pixels = self.augment.coloured(pixels, random)
        return preprocessing.scale(pixels, self.rules)

    def unaugmented(self, row: int) -> np.ndarray:
        """The input of a photo without augmentation, as for predicting."""
        view = fitted(self.photo_size(row), self.canvas)
        return self.scaled(view.picture(self.decoded(row)), None)

    def photo_size(self, row: int) -> tuple[int, int]:
        """The (width, height) of the photo, or of the decoded photo."""
        return self.decoded(row).size


class BoxBatches(DenseBatches):
    """Batches of a detector.

    Args:
        targets: converts boxes and labels of a picture into the target of the loss; None for
            photos that are only measured.
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
        photos, augment = self.data.photos, self.augment
        if augment is not None and random.random() < augment.mosaic and self.count >= 4:
            rows = [row, *(int(other) for other in random.integers(0, self.count, 3))]
            four = [(self.decoded(n), *_boxes(photos[n]), photos[n].size) for n in rows]
            return mosaic(four, self.canvas, augment, random)
        size = photos[row].size
        view = augment.view(size, self.canvas, random) if augment else fitted(size, self.canvas)
        boxes, labels = _boxes(photos[row])
        moved, inside = view.boxes(boxes)
        return view.picture(self.decoded(row)), moved[inside], labels[inside]


def _boxes(photo: BoxedPhoto) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and labels for training; crowds and difficult ones are `IGNORED`."""
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
                self.augment.view(size, self.canvas, random)
                if self.augment
                else fitted(size, self.canvas)
            )
            pictures.append(self.scaled(view.picture(picture), random))
            targets.append(np.asarray(view.picture(mask, NOT_COUNTED, Image.Resampling.NEAREST)))
        return np.stack(pictures), np.stack(targets)

    def mask(self, row: int) -> np.ndarray:
        """The classes of a photo, uint8 (H, W)."""
        photo = self.data.photos[row]
        return self.photos.decoded(("mask", self.split, row), None, lambda _: photo.mask())
