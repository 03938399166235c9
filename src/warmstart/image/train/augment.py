"""Augmentation of training photos: random crops, mirroring and exposure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from warmstart.errors import UsageError


@dataclass(frozen=True)
class ViewTransform:
    """An augmentation as a transform of `photo_features`; a class, because it is pickled."""

    augment: Callable[[Image.Image, np.random.Generator, tuple[int, int]], Image.Image]
    size: tuple[int, int]

    def __call__(self, picture: Image.Image, view: str, random: np.random.Generator) -> Image.Image:
        return self.augment(picture, random, self.size)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training photos; the defaults are mild, for small data sets and a
    pretrained base.

    The random crop is a milder form of that of Szegedy et al., "Going Deeper with Convolutions"
    (2014), section 6.

    Attributes:
        area: the smallest fraction of the photo's area in a crop; 1 for no crop.
        ratio: the largest factor of the aspect ratio; 1 for none.
        mirror: the probability of swapping left and right, 0 to 1; 0 if their meaning differs, as
            in text.
        light: the largest change of brightness and of contrast, 0 to 1.
    """

    area: float = 0.5
    ratio: float = 4 / 3
    mirror: float = 0.5
    light: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.area <= 1 <= self.ratio and 0 <= self.mirror <= 1 and 0 <= self.light < 1):
            raise UsageError(
                "Augmentation: area is in (0, 1], ratio 1 or more, mirror 0 to 1, light 0 to less than 1; "
                f"not {self}."
            )

    def __str__(self) -> str:
        return (
            f"crop {self.area:g} ratio {self.ratio:.3g} mirror {self.mirror:g} light {self.light:g}"
        )

    def __call__(
        self, picture: Image.Image, random: np.random.Generator, size: tuple[int, int]
    ) -> Image.Image:
        """A random view of the picture with the size (height, width); the picture is not changed."""
        box = self._box(picture.size, random)
        view = picture.resize(
            (size[1], size[0]), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0
        )
        if random.random() < self.mirror:
            view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if self.light:
            brightness, contrast = random.uniform(1 - self.light, 1 + self.light, 2)
            view = ImageEnhance.Contrast(ImageEnhance.Brightness(view).enhance(brightness)).enhance(
                contrast
            )
        return view

    def _box(
        self, size: tuple[int, int], random: np.random.Generator
    ) -> tuple[float, float, float, float]:
        """A rectangle of random area and aspect ratio in a picture of this (width, height)."""
        area = size[0] * size[1] * random.uniform(self.area, 1.0)
        ratio = math.exp(random.uniform(-math.log(self.ratio), math.log(self.ratio)))
        width = min(size[0], math.sqrt(area * ratio))
        height = min(size[1], math.sqrt(area / ratio))
        left, top = random.uniform(0, size[0] - width), random.uniform(0, size[1] - height)
        return left, top, left + width, top + height
