"""The checks of photos with boxes, for all layouts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from warmstart.core.records.columns import listed
from warmstart.core.records.usable import require_most
from warmstart.core.records.values import one_of
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations.box_data import BoxData, BoxedPhoto, LabelledBox
from warmstart.image.annotations.numbers import are_fractions, must_be_fractions, size_fault

MAX_BOXES = 10_000
"""The limit per photo; a file with more is damaged."""
MOST_LIKE_FRACTIONS = 0.05
"""The fraction of boxes in pixels that may be damaged and look like fractions of the photo."""
MOST_BEYOND, FEWEST = 0.5, 4
"""The fraction of boxes that may reach beyond their photos, and the number of boxes from which this
is checked.
"""


@dataclass
class _Row:
    """A photo with its checked boxes: (box of the file, its sides in pixels).

    Attributes:
        fault: why the photo is left out, unless the whole data set is refused for it.
    """

    photo: Any
    name: str
    size: tuple[int, int]
    boxes: list[tuple[LabelledBox, np.ndarray]]
    split: str | None
    group: str | None
    fault: str | None = None


@dataclass
class Collector:
    """Collects and checks the annotated photos of a layout, and lists their problems.

    A photo with a malformed annotation is left out completely, because with some of its boxes only,
    the others would be learned as background.

    Args:
        labels: the known classes; None: those of the data, in alphabetical order.
        strict: whether boxes of other classes are an error; else they are listed and left out.
        repeats: whether a photo may occur more than once.
    """

    labels: Sequence[str] | None = None
    strict: bool = False
    repeats: bool = False
    problems: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """The fault of each photo that is left out."""
    splits: dict[str, str | None] = field(default_factory=dict)
    """The split of each photo by path."""
    in_two_splits: list[str] = field(default_factory=list)
    rotated: int = 0
    """Photos that EXIF rotates, and whose annotations have no size."""
    boxes: int = 0
    beyond: int = 0
    """Boxes that reach beyond their photos."""
    in_pixels: int = 0
    like_fractions: int = 0
    """Boxes in pixels whose coordinates are all between 0 and 1."""
    certain_fractions: int = 0
    """Boxes counted in `like_fractions` that cannot be pixels."""

    def leave_out(self, *faults: str) -> None:
        """Add the faults of a photo that cannot be used to the problems."""
        self.problems += faults
        self.left_out.append(faults[0])

    def add(
        self,
        photo: Any,
        name: str,
        boxes: Iterable[LabelledBox],
        size: tuple[int, int] | None = None,
        *,
        scale: bool = False,
        split: str | None = None,
        group: str | None = None,
        faults: Sequence[str] = (),
    ) -> None:
        """Add a photo.

        Args:
            photo: as for `decoder.decode`.
            name: for messages.
            boxes: on the photo.
            size: (width, height) of the photo in the annotation, to be compared, or None.
            scale: whether sides are fractions of the photo instead of pixels.
            split: "train", "validation" or "test".
            group: photos of a group stay in one split.
            faults: of its annotation; a photo with faults is left out.
        """
        if faults:
            self.leave_out(*faults)
            return
        if not self.repeats and isinstance(photo, str | os.PathLike):
            path = os.fspath(photo)
            if path in self.splits and self.splits[path] == split:
                self.problems.append(f"{name}: occurs twice; the second annotation is left out")
                return
            if path in self.splits:
                self.in_two_splits.append(f"{name} ({self.splits[path]} and {split})")
            self.splits[path] = split
        try:
            true, is_rotated = decoder.upright_size(photo, name=name)
        except InputError as error:
            self.leave_out(str(error))
            return
        if fault := size_fault(name, size, true, is_rotated):
            self.leave_out(fault)
            return
        usable: list[tuple[LabelledBox, np.ndarray]] = []
        late_fault = None
        damaged = 0
        for number, box in enumerate(boxes, 1):
            if number > MAX_BOXES:
                self.problems.append(
                    f"{name}: has more than {MAX_BOXES:,} boxes; the others are left out"
                )
                break
            what = f"{name}: box {number} ({box.label!r})"
            sides = np.array(box.sides, np.float64) * (np.array(true * 2) if scale else 1)
            if not scale:
                self.in_pixels += 1
                self.like_fractions += are_fractions(box.sides)
                if must_be_fractions(box.sides):
                    self.certain_fractions += 1
                    late_fault = (
                        f"{what}: all sides lie between 0 and 1 ({_numbers(sides)}), like "
                        "fractions of the photo's size; the photo is left out"
                    )
            renamed = self._renamed(box, what)
            checked = None if renamed is None else self._checked(what, sides, true)
            if renamed is not None and checked is not None:
                usable.append((renamed, checked))
            damaged += renamed is not None and checked is None
        if damaged and not usable:
            self.leave_out(f"{name}: none of its boxes can be used; the photo is left out")
            return
        self.rotated += is_rotated and size is None and bool(usable)
        self.rows.append(_Row(photo, name, true, usable, split, group, late_fault))

    def _renamed(self, box: LabelledBox, what: str) -> LabelledBox | None:
        """The box with the name of its class; None if the class is unknown."""
        if self.labels is None:
            return box
        label = class_of(box.label, self.labels)
        if label is not None:
            return box if label == box.label else replace(box, label=label)
        self.unknown[box.label] = self.unknown.get(box.label, 0) + 1
        if not self.strict:
            self.problems.append(
                f"{what}: the label is unknown; known are {', '.join(self.labels)}"
            )
        return None

    def _checked(self, what: str, box: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
        """The box, clipped at the photo's edges; None if it cannot be used."""
        self.boxes += 1
        if not np.isfinite(box).all():
            self.problems.append(f"{what}: a coordinate is not a finite number")
            return None
        if box[2] <= box[0] or box[3] <= box[1]:
            self.problems.append(f"{what}: has no area ({_numbers(box)})")
            return None
        clipped: np.ndarray = np.clip(box, 0, np.array(size * 2))
        is_beyond = bool(np.abs(clipped - box).max() > 1.5)  # counting from 1 shifts by a pixel
        self.beyond += is_beyond
        if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
            self.problems.append(
                f"{what}: is outside the photo of {size[0]}x{size[1]} pixels ({_numbers(box)})"
            )
            return None
        if is_beyond:
            self.problems.append(
                f"{what}: reaches beyond the photo of {size[0]}x{size[1]} pixels "
                f"({_numbers(box)}); it was clipped"
            )
        return clipped

    def data(self, what: str) -> BoxData:
        """The data set; `what` is its name in messages.

        Raises:
            UsageError: there is no photo or no class; with `strict`, a class is unknown; boxes are
                fractions instead of pixels, or most of them reach beyond their photos; or more than
                half of the photos cannot be used.
        """
        self._refuse_fractions(what)
        if self.strict and self.unknown:
            raise UsageError(f"{what} has {unknown_classes(self.unknown, self.labels or ())}")
        if self.boxes >= FEWEST and self.beyond > MOST_BEYOND * self.boxes:
            raise UsageError(
                f"{what}: {self.beyond:,} of {self.boxes:,} boxes reach beyond their photos, "
                "so their coordinates must have another meaning, such as width and height "
                "instead of the second corner, or belong to photos of another "
                f"size{few_of(self.problems)}."
            )
        if self.in_two_splits:
            self.problems.append(
                f"{what}: {counted(len(self.in_two_splits), 'photo')} in two splits, such as "
                f"{self.in_two_splits[0]}, so the metrics are not those of unseen photos"
            )
        if self.rotated:
            self.columns.append(
                f"{counted(self.rotated, 'photo')} rotated by EXIF; boxes are assumed to be "
                "those of the upright photo"
            )
        names = (
            tuple(self.labels)
            if self.labels is not None
            else tuple(sorted({box.label for row in self.rows for box, _ in row.boxes}))
        )
        require_most("photos", len(self.rows), self.left_out)
        if not self.rows:
            raise UsageError(f"{what} contains no usable photo{few_of(self.problems)}.")
        if not names:
            raise UsageError(
                f"{what} contains no usable box, so there is no class to "
                f"learn{few_of(self.problems)}."
            )
        check_names(names, what)
        index = {name: number for number, name in enumerate(names)}
        photos = tuple(_photo(row, index) for row in self.rows)
        columns = tuple(dict.fromkeys(self.columns))  # most are the same for all splits
        return BoxData(photos, names, tuple(self.problems), columns)

    def _refuse_fractions(self, what: str) -> None:
        """Leave out photos whose boxes are fractions instead of pixels.

        Raises:
            UsageError: there are too many for them to be damaged.
        """
        if not self.certain_fractions:
            return
        faults = [row.fault for row in self.rows if row.fault]
        if self.like_fractions == self.in_pixels:
            raise UsageError(
                f"{what}: all coordinates of boxes lie between 0 and 1, like fractions of "
                "the photo's size, but this format has pixels; multiply them by the width "
                "and height of the photo, or pass a table or a list, in which fractions are "
                "recognised."
            )
        if self.certain_fractions > MOST_LIKE_FRACTIONS * self.in_pixels:
            raise UsageError(
                f"{what}: {self.certain_fractions:,} of {self.in_pixels:,} boxes are fractions "
                "of the photo's size, the others are in pixels, as this format requires; "
                f"write all of them in pixels{few_of(faults)}."
            )
        self.problems += faults
        self.rows = [row for row in self.rows if not row.fault]


def _photo(row: _Row, index: dict[str, int]) -> BoxedPhoto:
    boxes = np.array([sides for _, sides in row.boxes], np.float32).reshape(-1, 4)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    area = [
        areas[number] if box.area is None else box.area for number, (box, _) in enumerate(row.boxes)
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
        row.split,
        row.group,
    )


def class_of(name: str, labels: Sequence[str]) -> str | None:
    """The class that a label means, or None.

    An integer is an index unless a class has a number as its name.
    """
    try:
        return one_of(name, labels)
    except (ValueError, IndexError):
        return None


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse class names that cannot be written to a file.

    Raises:
        UsageError: a name has an unpaired surrogate, as a damaged JSON file may.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{what}: the class name {name!r} is not valid Unicode.") from None


def unknown_classes(counts: dict[str, int], known: Sequence[str], unit: str = "") -> str:
    """The end of an error message: the unknown classes with their counts, and the known ones."""
    unit = f" {unit}" if unit else ""
    names = listed((f"{name!r} ({count:,}{unit})" for name, count in counts.items()), 5)
    return (
        f"unknown classes: {names}. Known are {', '.join(map(repr, known[:20]))}; "
        "rename or remove the others."
    )


def name_of(photo: Any, default: str) -> str:
    """The path of a photo; `default` for one in memory."""
    return os.fspath(photo) if isinstance(photo, str | os.PathLike) else default


def _numbers(box: np.ndarray) -> str:
    return ", ".join(f"{side:g}" for side in box)


def few_of(problems: Sequence[str]) -> str:
    """The first problems, for the end of a message."""
    more = f" (and {counted(len(problems) - 3, 'more problem')})" if len(problems) > 3 else ""
    return f": {'; '.join(problems[:3])}{more}" if problems else ""
