"""What image segmentation answers: a class for every pixel of the photo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.catalog import Label
from warmstart.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Area:
    """How much of a photo one class covers: pixels, and their share of all, 0 to 1."""

    label: str
    index: int
    pixels: int
    share: float

    def to_dict(self) -> dict[str, Any]:
        return {"label": self.label, "index": self.index, "pixels": self.pixels, "share": round(self.share, 6)}


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A class for every pixel of one photo.

    Attributes:
        input: name of the photo.
        model: name of the model.
        labels_map: (H, W) whole numbers, the index of each pixel's class; H and W are those of the upright photo.
        labels: the model's classes.
        picture: gives the photo again, for drawing on it.
    """

    input: str
    model: str
    labels_map: np.ndarray
    labels: tuple[Label, ...]
    picture: Callable[[], Image] = field(repr=False)

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        """The classes that were found, largest first."""
        counts = np.bincount(self.labels_map.ravel(), minlength=len(self.labels))
        order = np.argsort(-counts, kind="stable")
        return tuple(Area(self.labels[i].name, int(i), int(counts[i]), float(counts[i] / self.labels_map.size))
                     for i in order if counts[i])

    def mask(self, label: str | int) -> np.ndarray:
        """Where one class is: (H, W) bool.

        Args:
            label: name, id or index of a class; nothing of it in the photo gives an empty mask.

        Raises:
            UsageError: the model has no such class.
        """
        for known in self.labels:
            if label == known.index if isinstance(label, int | np.integer) else label in (known.name, known.id):
                return self.labels_map == known.index
        raise UsageError(f"{self.model} has no class {label!r}; its `labels` lists those it has.")

    def overlay(self, opacity: float = 0.55) -> Image:
        """The photo with every class in its colour; a first class called "background" stays clear.

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
        """The classes as a picture with a palette (mode "P"): pixel values are indices, as in Pascal VOC's masks.

        Raises:
            UsageError: the model has more than 256 classes.
        """
        from PIL import Image as images

        if len(self.labels) > 256:
            raise UsageError("A picture with a palette holds 256 classes at most; use `labels_map`.")
        made = images.fromarray(self.labels_map.astype(np.uint8))
        made.putpalette(palette().ravel().tolist())
        return made

    def save_mask(self, path: str | Path) -> Path:
        """Write `indexed()` as PNG."""
        self.indexed().save(path, "PNG")
        return Path(path)

    def __str__(self) -> str:
        return ", ".join(f"{area.label} {area.share:.1%}" for area in self.areas)

    def to_dict(self) -> dict[str, Any]:
        height, width = self.labels_map.shape
        return {"input": self.input, "model": self.model, "size": [width, height],
                "areas": [area.to_dict() for area in self.areas]}


def palette() -> np.ndarray:
    """Pascal VOC's 256 colours, (256, 3) uint8: the bits of the index, dealt to red, green and blue in turn."""
    colours = np.zeros((256, 3), np.uint8)
    index = np.arange(256)
    for place in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * place + channel)) & 1) << (7 - place)).astype(np.uint8)
    return colours
