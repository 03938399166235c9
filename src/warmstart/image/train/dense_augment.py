"""Augmentation of photos together with their boxes and masks: flip, scale, crop, mosaic, colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

LEAST_VISIBLE = 0.35
"""The smallest fraction of a box's area that must remain visible."""
SMALLEST = 2.0
"""The smallest visible width and height of a box, in pixels."""


@dataclass(frozen=True)
class View:
    """The position of a photo on a canvas: x' = x * scale_x + left, after mirroring if `flip_x`,
    and likewise for y.

    Attributes:
        size: (width, height) of the photo.
        canvas: (width, height).
    """

    size: tuple[int, int]
    canvas: tuple[int, int]
    scale_x: float
    scale_y: float
    left: float = 0.0
    top: float = 0.0
    flip_x: bool = False
    flip_y: bool = False

    def picture(
        self,
        photo: Image.Image,
        fill: int = 0,
        resample: Image.Resampling = Image.Resampling.BILINEAR,
    ) -> Image.Image:
        """The canvas with the photo on it; the rest has the value `fill`."""
        photo = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.flip_x else photo
        photo = photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if self.flip_y else photo
        width, height = photo.size  # may have been decoded at less than `size`
        scale_x, scale_y = self.scale_x * self.size[0] / width, self.scale_y * self.size[1] / height
        canvas = Image.new(photo.mode, self.canvas, fill if photo.mode != "RGB" else (fill,) * 3)
        x0, y0 = max(0, round(self.left)), max(0, round(self.top))
        x1 = min(self.canvas[0], round(self.left + self.scale_x * self.size[0]))
        y1 = min(self.canvas[1], round(self.top + self.scale_y * self.size[1]))
        if x1 <= x0 or y1 <= y0:
            return canvas
        visible = (
            max(0.0, (x0 - self.left) / scale_x),
            max(0.0, (y0 - self.top) / scale_y),
            min(float(width), (x1 - self.left) / scale_x),
            min(float(height), (y1 - self.top) / scale_y),
        )
        if visible[2] - visible[0] < 1e-3 or visible[3] - visible[1] < 1e-3:
            return canvas
        canvas.paste(photo.resize((x1 - x0, y1 - y0), resample, box=visible), (x0, y0))
        return canvas

    def boxes(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) on the canvas, clipped at its edges, and whether enough of each is visible,
        bool (N,).
        """
        moved = boxes.astype(np.float64).copy()
        if self.flip_x:
            moved[:, [0, 2]] = self.size[0] - moved[:, [2, 0]]
        if self.flip_y:
            moved[:, [1, 3]] = self.size[1] - moved[:, [3, 1]]
        moved = moved * np.array([self.scale_x, self.scale_y] * 2) + np.array(
            [self.left, self.top] * 2
        )
        whole = (moved[:, 2:] - moved[:, :2]).prod(-1)
        clipped = np.clip(moved, 0, np.array(self.canvas * 2))
        sides = clipped[:, 2:] - clipped[:, :2]
        return clipped.astype(np.float32), (sides.min(-1, initial=np.inf) >= SMALLEST) & (
            sides.prod(-1) >= LEAST_VISIBLE * whole
        )


def fitted(size: tuple[int, int], canvas: tuple[int, int]) -> View:
    """The whole photo, squashed onto the canvas."""
    return View(size, canvas, canvas[0] / size[0], canvas[1] / size[1])


@dataclass(frozen=True)
class Variation:
    """Random changes of training photos.

    Attributes:
        flip_x, flip_y: probabilities of mirroring.
        scale: smallest and largest size relative to the whole photo.
        stretch: the largest factor of the aspect ratio.
        colour: the largest change of brightness, contrast and saturation.
        mosaic: the probability that a picture is composed of four photos (boxes only).
    """

    flip_x: float = 0.5
    flip_y: float = 0.0
    scale: tuple[float, float] = (0.6, 1.5)
    stretch: float = 1.15
    colour: float = 0.3
    mosaic: float = 0.3

    def view(
        self, size: tuple[int, int], canvas: tuple[int, int], random: np.random.Generator
    ) -> View:
        """A random view of a photo of `size`."""
        zoom = np.exp(random.uniform(np.log(self.scale[0]), np.log(self.scale[1])))
        stretch = np.exp(random.uniform(-1, 1) * np.log(self.stretch) / 2)
        scale_x, scale_y = (
            canvas[0] / size[0] * zoom * stretch,
            canvas[1] / size[1] * zoom / stretch,
        )
        left, top = (
            random.uniform(0, 1) * (side - scale * length)
            for side, scale, length in zip(canvas, (scale_x, scale_y), size, strict=True)
        )
        return View(
            size,
            canvas,
            scale_x,
            scale_y,
            left,
            top,
            bool(random.random() < self.flip_x),
            bool(random.random() < self.flip_y),
        )

    def coloured(self, picture: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """The picture, uint8 (H, W, 3), with random brightness, contrast and saturation."""
        bright, contrast, saturation = 1 + random.uniform(-self.colour, self.colour, 3)
        weights = np.array([0.299, 0.587, 0.114])
        mean = picture.reshape(-1, 3).mean(0) @ weights
        # saturation around the pixel's grey, contrast around the mean, and brightness as one matrix
        matrix = bright * contrast * (saturation * np.eye(3) + (1 - saturation) * weights[:, None])
        rows = np.concatenate([matrix.T, np.full((3, 1), bright * (1 - contrast) * mean)], axis=1)
        return np.asarray(Image.fromarray(picture).convert("RGB", tuple(rows.ravel().tolist())))


def mosaic(
    photos: Sequence[tuple[Image.Image, np.ndarray, np.ndarray, tuple[int, int]]],
    canvas: tuple[int, int],
    variation: Variation,
    random: np.random.Generator,
) -> tuple[Image.Image, np.ndarray, np.ndarray]:
    """Four photos in the quarters around a random point (Bochkovskiy et al. 2020, arXiv:2004.10934,
    section 3.3).

    Args:
        photos: four tuples of picture, boxes, labels and (width, height) of the whole photo.
    """
    width, height = canvas
    cross_x, cross_y = (round(side * random.uniform(0.35, 0.65)) for side in canvas)
    picture = Image.new("RGB", canvas)
    boxes, labels = [], []
    for index, (photo, photo_boxes, photo_labels, size) in enumerate(photos):
        x0, x1 = (0, cross_x) if index % 2 == 0 else (cross_x, width)
        y0, y1 = (0, cross_y) if index < 2 else (cross_y, height)
        quarter = (x1 - x0, y1 - y0)
        view = variation.view(size, canvas, random)  # at the scale of a whole picture
        left, top = (
            random.uniform(min(0.0, side - scale * length), max(0.0, side - scale * length))
            for side, scale, length in zip(quarter, (view.scale_x, view.scale_y), size, strict=True)
        )
        local = View(size, quarter, view.scale_x, view.scale_y, left, top, view.flip_x, view.flip_y)
        picture.paste(local.picture(photo), (x0, y0))
        moved, visible = local.boxes(photo_boxes)
        boxes.append(moved[visible] + np.array([x0, y0] * 2, np.float32))
        labels.append(photo_labels[visible])
    return picture, np.concatenate(boxes), np.concatenate(labels)
