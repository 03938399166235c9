"""Photos with boxes: what every layout is read into, and the checks that all layouts share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image import decoder

MOST_BOXES = 10_000
"""Of one photo; more is a damaged file."""
Thing = tuple[str, float, float, float, float]
"""Label, xmin, ymin, xmax, ymax."""


@dataclass(frozen=True, eq=False)
class BoxedPhoto:
    """One photo and what is on it; boxes (N, 4) float32 as xmin, ymin, xmax, ymax in its upright
    pixels.

    Attributes:
        photo: whatever `image.decode` takes; a path where it comes from files.
        name: for messages.
        size: (width, height) of the upright photo.
        boxes, labels, crowd: (N, 4), (N,), (N,).
        area: (N,) in square pixels; of the outline where the file tells it, else of the box.
    """

    photo: Any
    name: str
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    area: np.ndarray


@dataclass(frozen=True)
class BoxData:
    """Labelled photos, the names of the classes in order, and what is wrong with the data, one line
    each.
    """

    photos: tuple[BoxedPhoto, ...]
    labels: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """Boxes of each label, crowds left out."""
        found = np.zeros(len(self.labels), int)
        for photo in self.photos:
            found += np.bincount(photo.labels[~photo.crowd], minlength=len(self.labels))
        return dict(zip(self.labels, found.tolist(), strict=True))


@dataclass
class Collector:
    """Takes what a layout says of its photos, checks it, and lists what is wrong.

    Args:
        labels: the classes that are known; None: those that are met, in alphabetical order.
    """

    labels: Sequence[str] | None = None
    problems: list[str] = field(default_factory=list)
    rows: list[
        tuple[Any, str, tuple[int, int], list[tuple[str, np.ndarray, bool, float | None]]]
    ] = field(default_factory=list)

    def add(
        self,
        photo: Any,
        name: str,
        things: Iterable[Any],
        size: tuple[int, int] | None = None,
        scale: bool = False,
    ) -> None:
        """One photo.

        Args:
            photo: what `image.decode` takes.
            name: for messages.
            things: (label, xmin, ymin, xmax, ymax[, crowd[, area]]).
            size: what the annotation says of the photo, to be compared.
            scale: whether sides are shares of the photo instead of pixels.
        """
        try:
            true = decoder.size(photo, name=name)
        except InputError as error:
            self.problems.append(str(error))
            return
        if size is not None and size != true and 0 not in size:
            self.problems.append(
                f"{name}: the annotation says {size[0]}x{size[1]} pixels, the photo has "
                f"{true[0]}x{true[1]}; its boxes are left out"
            )
            return
        kept: list[tuple[str, np.ndarray, bool, float | None]] = []
        for place, (label, *rest) in enumerate(things, 1):
            if place > MOST_BOXES:
                self.problems.append(
                    f"{name}: has more than {MOST_BOXES:,} boxes; the others are left out"
                )
                break
            sides = np.array(rest[:4], np.float64) * (np.array(true * 2) if scale else 1)
            crowd = bool(rest[4]) if len(rest) > 4 else False
            area = float(rest[5]) if len(rest) > 5 and rest[5] is not None else None
            if (
                box := self._checked(f"{name}: box {place} ({label!r})", str(label), sides, true)
            ) is not None:
                kept.append((str(label), box, crowd, area))
        self.rows.append((photo, name, true, kept))

    def _checked(
        self, what: str, label: str, box: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray | None:
        """The box, cut at the photo's edges; None where nothing of it can be used."""
        if self.labels is not None and label not in self.labels:
            self.problems.append(
                f"{what}: the label is unknown; known are {', '.join(self.labels)}"
            )
            return None
        if not np.isfinite(box).all():
            self.problems.append(f"{what}: a side is not a finite number")
            return None
        if box[2] <= box[0] or box[3] <= box[1]:
            self.problems.append(f"{what}: has no area ({_told(box)})")
            return None
        cut: np.ndarray = np.clip(box, 0, np.array(size * 2))
        if cut[2] <= cut[0] or cut[3] <= cut[1]:
            self.problems.append(
                f"{what}: lies outside of the photo of {size[0]}x{size[1]} pixels ({_told(box)})"
            )
            return None
        if np.abs(cut - box).max() > 1.5:  # a pixel more is a matter of counting from 0 or 1
            self.problems.append(
                f"{what}: reaches beyond the photo of {size[0]}x{size[1]} pixels ({_told(box)}); "
                "it was cut"
            )
        return cut

    def data(self, what: str) -> BoxData:
        """All of it.

        Raises:
            UsageError: there is no photo, or no class.
        """
        names = (
            tuple(self.labels)
            if self.labels is not None
            else tuple(sorted({label for *_, things in self.rows for label, *_ in things}))
        )
        if not self.rows:
            raise UsageError(f"{what} holds no photo that can be used{few_of(self.problems)}.")
        if not names:
            raise UsageError(
                f"{what} holds no box that can be used, so there is no class to learn"
                f"{few_of(self.problems)}."
            )
        index = {name: place for place, name in enumerate(names)}
        photos = []
        for photo, name, size, things in self.rows:
            boxes = np.array([box for _, box, _, _ in things], np.float32).reshape(-1, 4)
            own = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
            area = np.array(
                [own[n] if a is None else a for n, (_, _, _, a) in enumerate(things)], np.float32
            )
            photos.append(
                BoxedPhoto(
                    photo,
                    name,
                    size,
                    boxes,
                    np.array([index[t[0]] for t in things], np.int64),
                    np.array([t[2] for t in things], bool),
                    area,
                )
            )
        return BoxData(tuple(photos), names, tuple(self.problems))


def _told(box: np.ndarray) -> str:
    return ", ".join(f"{side:g}" for side in box)


def few_of(problems: Sequence[str]) -> str:
    """The first few, for the end of a message."""
    more = f" (and {len(problems) - 3} more faults)" if len(problems) > 3 else ""
    return f": {'; '.join(problems[:3])}{more}" if problems else ""
