"""Photos with boxes: what every layout is read into, and the checks that all layouts share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image import decoder

MAX_BOXES = 10_000
"""Of one photo; more is a damaged file."""
SHARE_SLACK = 0.01
"""Below 0 and above 1, that rounding explains."""


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


@dataclass
class _Row:
    """A photo whose boxes were checked: (box as the file has it, its sides in pixels)."""

    photo: Any
    name: str
    size: tuple[int, int]
    boxes: list[tuple[LabelledBox, np.ndarray]]
    part: str | None
    group: str | None


@dataclass
class Collector:
    """Takes what a layout says of its photos, checks it, and lists what is wrong.

    A photo whose annotation is malformed is left out as a whole: half of its boxes would teach
    that the others are background.

    Args:
        labels: the classes that are known; None: those of the data, in alphabetical order.
        strict: whether boxes of other classes are an error; else they are listed and left out.
    """

    labels: Sequence[str] | None = None
    strict: bool = False
    problems: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)
    in_pixels: int = 0
    like_shares: int = 0
    fractions: int = 0
    """Boxes in pixels; those of them whose sides all lie between 0 and 1, and those with a side
    that is not a whole number."""

    def add(
        self,
        photo: Any,
        name: str,
        boxes: Iterable[LabelledBox],
        size: tuple[int, int] | None = None,
        *,
        scale: bool = False,
        part: str | None = None,
        group: str | None = None,
        faults: Sequence[str] = (),
    ) -> None:
        """One photo.

        Args:
            photo: what `image.decode` takes.
            name: for messages.
            boxes: on the photo.
            size: (width, height) of the photo where the annotation has it, to be compared.
            scale: whether sides are shares of the photo instead of pixels.
            part: "train", "validation" or "test".
            group: of photos that stay in one part.
            faults: what is malformed in its annotation; then the photo is left out.
        """
        if faults:
            self.problems += faults
            return
        try:
            true = decoder.size(photo, name=name)
        except InputError as error:
            self.problems.append(str(error))
            return
        if size is not None and size != true and 0 not in size:
            self.problems.append(
                f"{name}: the annotation says {size[0]}x{size[1]} pixels, the photo has "
                f"{true[0]}x{true[1]}; the photo is left out"
            )
            return
        usable: list[tuple[LabelledBox, np.ndarray]] = []
        for number, box in enumerate(boxes, 1):
            if number > MAX_BOXES:
                self.problems.append(
                    f"{name}: has more than {MAX_BOXES:,} boxes; the others are left out"
                )
                break
            sides = np.array(box.sides, np.float64) * (np.array(true * 2) if scale else 1)
            if not scale:
                self.in_pixels += 1
                self.like_shares += are_shares(box.sides)
                self.fractions += any(side % 1 for side in box.sides)
            checked = self._checked(f"{name}: box {number} ({box.label!r})", box.label, sides, true)
            if checked is not None:
                usable.append((box, checked))
        self.rows.append(_Row(photo, name, true, usable, part, group))

    def _checked(
        self, what: str, label: str, box: np.ndarray, size: tuple[int, int]
    ) -> np.ndarray | None:
        """The box, cut at the photo's edges; None where nothing of it can be used."""
        if self.labels is not None and label not in self.labels:
            self.unknown[label] = self.unknown.get(label, 0) + 1
            if not self.strict:
                self.problems.append(
                    f"{what}: the label is unknown; known are {', '.join(self.labels)}"
                )
            return None
        if not np.isfinite(box).all():
            self.problems.append(f"{what}: a side is not a finite number")
            return None
        if box[2] <= box[0] or box[3] <= box[1]:
            self.problems.append(f"{what}: has no area ({_numbers(box)})")
            return None
        cut: np.ndarray = np.clip(box, 0, np.array(size * 2))
        if cut[2] <= cut[0] or cut[3] <= cut[1]:
            self.problems.append(
                f"{what}: lies outside the photo of {size[0]}x{size[1]} pixels ({_numbers(box)})"
            )
            return None
        if np.abs(cut - box).max() > 1.5:  # a pixel more is a matter of counting from 0 or 1
            self.problems.append(
                f"{what}: reaches beyond the photo of {size[0]}x{size[1]} pixels "
                f"({_numbers(box)}); it was cut"
            )
        return cut

    def data(self, what: str) -> BoxData:
        """All of it.

        Raises:
            UsageError: there is no photo, or no class; a class that is not known, where that is
            an error; or the boxes are shares of the photo where pixels are expected.
        """
        if self.fractions and self.like_shares == self.in_pixels:
            raise UsageError(
                f"{what}: all box sides lie between 0 and 1, as if they were shares of the photo, but "
                "this format has pixels; multiply them by the width and height of the photo, or give "
                "a table or a list, where shares are recognised."
            )
        if self.strict and self.unknown:
            raise UsageError(f"{what} has {unknown_classes(self.unknown, self.labels or ())}")
        names = (
            tuple(self.labels)
            if self.labels is not None
            else tuple(sorted({box.label for row in self.rows for box, _ in row.boxes}))
        )
        if not self.rows:
            raise UsageError(f"{what} holds no photo that can be used{few_of(self.problems)}.")
        if not names:
            raise UsageError(
                f"{what} holds no box that can be used, so there is no class to learn"
                f"{few_of(self.problems)}."
            )
        check_names(names, what)
        index = {name: number for number, name in enumerate(names)}
        photos = tuple(_photo(row, index) for row in self.rows)
        return BoxData(photos, names, tuple(self.problems), tuple(self.columns))


def _photo(row: _Row, index: dict[str, int]) -> BoxedPhoto:
    boxes = np.array([sides for _, sides in row.boxes], np.float32).reshape(-1, 4)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    area = [
        own[number] if box.area is None else box.area for number, (box, _) in enumerate(row.boxes)
    ]
    return BoxedPhoto(
        row.photo,
        row.name,
        row.size,
        boxes,
        np.array([index[box.label] for box, _ in row.boxes], np.int64),
        np.array([box.crowd for box, _ in row.boxes], bool),
        np.array([box.difficult for box, _ in row.boxes], bool),
        np.array(area, np.float32),
        row.part,
        row.group,
    )


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse names of classes that cannot be written to a file.

    Raises:
        UsageError: a name has an unpaired surrogate, as a damaged JSON file may.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{what}: the class name {name!r} is not valid Unicode.") from None


def unknown_classes(counts: dict[str, int], known: Sequence[str]) -> str:
    """The end of an error: which classes are not known, how often they occur, and which are."""
    named = ", ".join(f"{name!r} ({count:,})" for name, count in [*counts.items()][:5])
    more = f" and {len(counts) - 5:,} more" if len(counts) > 5 else ""
    return (
        f"classes that are not known: {named}{more}. Known are {', '.join(map(repr, known[:20]))}; "
        "rename or remove the others."
    )


def name_of(photo: Any, default: str) -> str:
    """The path of a photo; `default` for one in memory."""
    return os.fspath(photo) if isinstance(photo, str | os.PathLike) else default


def are_shares(numbers: Iterable[float]) -> bool:
    """Whether numbers of a box are shares of the photo: between 0 and 1, but for rounding."""
    return all(-SHARE_SLACK <= number <= 1 + SHARE_SLACK for number in numbers)


def number(value: Any) -> float:
    """A JSON number or a text of one as a float.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"not a number: {value!r:.40}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(str(error)) from error


def _numbers(box: np.ndarray) -> str:
    return ", ".join(f"{side:g}" for side in box)


def few_of(problems: Sequence[str]) -> str:
    """The first few, for the end of a message."""
    more = f" (and {len(problems) - 3} more faults)" if len(problems) > 3 else ""
    return f": {'; '.join(problems[:3])}{more}" if problems else ""
