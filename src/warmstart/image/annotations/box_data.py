"""Photos with boxes, independent of the layout of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LabelledBox:
    """A box of an annotation file.

    Attributes:
        label: the name of its class.
        sides: xmin, ymin, xmax, ymax.
        crowd: whether it is a region of many objects.
        difficult: whether the object is difficult in Pascal VOC, and so neither learned nor
            counted.
        area: of the outline in square pixels; None: that of the box.
    """

    label: str
    sides: tuple[float, float, float, float]
    crowd: bool = False
    difficult: bool = False
    area: float | None = None


@dataclass(frozen=True, eq=False)
class BoxedPhoto:
    """A photo with boxes.

    Attributes:
        photo: as for `decoder.decode`; a path if it is a file.
        name: for messages.
        size: (width, height) of the upright photo.
        boxes: float32 (N, 4), xmin, ymin, xmax, ymax in pixels of the upright photo.
        labels: int (N,), indices of classes.
        crowd, difficult: bool (N,).
        area: (N,) in square pixels; of the outlines in the file, or else of the boxes.
        split: "train", "validation" or "test", if the data has splits.
        group: photos of a group stay in one split.
    """

    photo: Any
    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    difficult: np.ndarray
    area: np.ndarray
    split: str | None = None
    group: str | None = None

    @property
    def counted(self) -> np.ndarray:
        """The boxes that are learned and counted, bool (N,): all except crowds and difficult ones."""
        counted: np.ndarray = ~(self.crowd | self.difficult)
        return counted


@dataclass(frozen=True)
class BoxData:
    """A data set of photos with boxes.

    Attributes:
        photos: without those that cannot be used.
        labels: the names of the classes in order.
        problems: one line per problem.
        columns: how the data was read, such as "boxes: xmin, ymin, xmax, ymax in pixels".
    """

    photos: tuple[BoxedPhoto, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """The number of boxes per class, without crowds and difficult ones."""
        counts = np.zeros(len(self.labels), int)
        for photo in self.photos:
            counts += np.bincount(photo.labels[photo.counted], minlength=len(self.labels))
        return dict(zip(self.labels, counts.tolist(), strict=True))
