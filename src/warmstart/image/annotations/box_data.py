"""Photos with boxes: what every layout is read into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LabelledBox:
    """One box as an annotation file has it.

    Attributes:
        label: the name of its class.
        sides: xmin, ymin, xmax, ymax.
        crowd: whether it is a region of many objects.
        difficult: whether Pascal VOC calls the object difficult: it is neither learned nor counted.
        area: of the outline in square pixels; None: of the box.
    """

    label: str
    sides: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False
    area: float | None = None


@dataclass(frozen=True, eq=False)
class BoxedPhoto:
    """One photo and what is on it; boxes (N, 4) float32 as xmin, ymin, xmax, ymax in its upright
    pixels.

    Attributes:
        photo: whatever `image.decode` takes; a path where it comes from files.
        name: for messages.
        size: (width, height) of the upright photo.
        boxes, labels, crowd, difficult: (N, 4), (N,), (N,), (N,).
        area: (N,) in square pixels; of the outline where the file has it, else of the box.
        part: "train", "validation" or "test", where the data names parts.
        group: photos of the same group stay in one part.
    """

    photo: Any
    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    area: np.ndarray
    part: str | None = None
    group: str | None = None

    @property
    def counted(self) -> np.ndarray:
        """Which boxes are learned and counted, (N,) bool: all but crowds and difficult ones."""
        counted: np.ndarray = ~(self.crowd | self.difficult)
        return counted


@dataclass(frozen=True)
class BoxData:
    """Labelled photos, the names of the classes in order, what is wrong with the data, one line
    each, and how it was read, such as "boxes: xmin, ymin, xmax, ymax in pixels".
    """

    photos: tuple[BoxedPhoto, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Boxes of each label; crowds and difficult ones are left out."""
        counts = np.zeros(len(self.labels), int)
        for photo in self.photos:
            counts += np.bincount(photo.labels[photo.counted], minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))
