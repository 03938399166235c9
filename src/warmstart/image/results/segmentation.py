"""Results of image segmentation: a class for every pixel of the photo."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Label
from warmstart.core import html
from warmstart.core.terminal import bars
from warmstart.core.wire import Record, Result, Score
from warmstart.errors import UsageError
from warmstart.image.results.pictures import FORMATS, encoded
from warmstart.suggestions import unknown_name

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 2**20
"""Pixels that are counted at once."""


@dataclass(frozen=True)
class Area(Record):
    """The area of a class in a photo: pixels, and their fraction of all, 0 to 1."""

    label: str
    index: int
    pixels: int
    share: Score


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation(Result):
    """A class for every pixel of one photo.

    Attributes:
        input: name of the photo.
        model: name of the model.
        labels_map: (H, W) integers, the index of each pixel's class; H and W are those of the
            upright photo.
        labels: the model's classes.
        picture: opens the photo again, to draw on it.

    Example:
        >>> segmentation = ws.load("leaf_deeplabv3")("leaf.jpg")
        >>> segmentation.labels_map.shape == segmentation.size[::-1]
        True
        >>> segmentation.mask("leaf").dtype
        dtype('bool')
        >>> [f"{area.label} {area.share:.0%}" for area in segmentation.areas]
        ['background 68%', 'leaf 28%', 'symptom 4%']
        >>> segmentation.overlay(opacity=0.4).size == segmentation.size
        True
        >>> segmentation.save_mask("mask.png")
        PosixPath('mask.png')
        >>> segmentation.plot().size == segmentation.size
        True
    """

    wire: ClassVar = ("input", "model", "size", "areas")
    embedded: ClassVar = ("mask_png",)
    rows: ClassVar = "areas"
    files: ClassVar = tuple(FORMATS)

    input: str
    model: str
    labels_map: NDArray[np.integer[Any]]
    labels: tuple[Label, ...]
    picture: Callable[[], Image] = field(repr=False)

    @property
    def size(self) -> tuple[int, ...]:
        """(width, height) of the photo in pixels."""
        height, width = self.labels_map.shape
        return (width, height)

    @property
    def mask_png(self) -> str | None:
        """The classes as a PNG with a palette, in base64; None for a model with more than 256
        classes.
        """
        if len(self.labels) > 256:
            return None
        file = io.BytesIO()
        self.indexed().save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        """The classes in the photo, largest first."""
        pixels, count = self.labels_map.ravel(), len(self.labels)
        counts = np.zeros(count, np.int64)
        for start in range(0, len(pixels), CHUNK):  # bincount takes 8 bytes for each
            counts += np.bincount(pixels[start : start + CHUNK], minlength=count)
        order = np.argsort(-counts, kind="stable")
        return tuple(
            Area(
                self.labels[i].name, int(i), int(counts[i]), float(counts[i] / self.labels_map.size)
            )
            for i in order
            if counts[i]
        )

    def mask(self, label: str | int) -> NDArray[np.bool_]:
        """The pixels of one class, bool (H, W); all False if the photo has none.

        Args:
            label: name, id or index of a class.

        Raises:
            UsageError: the model has no such class.
        """
        for each in self.labels:
            if (
                label == each.index
                if isinstance(label, int | np.integer)
                else label in (each.name, each.id)
            ):
                mask: NDArray[np.bool_] = self.labels_map == each.index
                return mask
        raise UsageError(
            unknown_name(f"{self.model} has no class", label, [each.name for each in self.labels])
        )

    def overlay(self, opacity: float = 0.55) -> Image:
        """The photo with the colours of its classes; a first class named "background" is
        transparent.

        Args:
            opacity: of the colours, 0 to 1.
        """
        from PIL import Image as images

        size = self.labels_map.shape[::-1]
        photo = self.picture()
        photo = photo if photo.size == size else photo.resize(size)
        strength = np.full(256, round(255 * min(max(opacity, 0), 1)), np.uint8)
        if self.labels and self.labels[0].name.lower() == "background":
            strength[0] = 0
        colours = self.indexed().convert("RGB")
        mask = images.fromarray(strength[self.labels_map.astype(np.uint8)])
        return images.composite(colours, photo, mask)

    def indexed(self) -> Image:
        """The classes as a picture with a palette (mode "P"): pixel values are indices, as in
        Pascal VOC's masks.

        Raises:
            UsageError: the model has more than 256 classes.
        """
        from PIL import Image as images

        if len(self.labels) > 256:
            raise UsageError("A palette image can hold at most 256 classes; use `labels_map`.")
        picture = images.fromarray(self.labels_map.astype(np.uint8))
        picture.putpalette(palette().ravel().tolist())
        return picture

    def save_mask(self, path: str | Path) -> Path:
        """Write `indexed()` as PNG.

        Raises:
            UsageError: the suffix of the path is not `.png`.
        """
        if Path(path).suffix.lower() != ".png":
            raise UsageError(f"{path}: a mask is written as .png, which keeps its palette.")
        self.indexed().save(path, "PNG")
        return Path(path)

    def plot(self) -> Image:
        """The same as `overlay`."""
        return self.overlay()

    def file_content(self, suffix: str) -> bytes:
        """`overlay()` as a file; `save_mask` writes the classes themselves."""
        return encoded(self.overlay(), suffix)

    def to_html(self) -> str:
        picture = html.picture(self.overlay(), f"Areas: {self}")
        return picture + html.bars((area.label, area.share) for area in self.areas)

    def __str__(self) -> str:
        return ", ".join(f"{area.label} {area.share:.1%}" for area in self.areas)

    def show(self) -> str:
        width, height = self.size
        return "\n".join(
            [
                f"{self.input} ({width}x{height})",
                *bars((area.label, area.share) for area in self.areas),
                "",
            ]
        )


def palette() -> np.ndarray:
    """Pascal VOC's 256 colours, uint8 (256, 3): the bits of the index alternate between red, green
    and blue.
    """
    colours = np.zeros((256, 3), np.uint8)
    index = np.arange(256)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours
