"""The checks of photos with boxes that all layouts share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from warmstart.core.records.usable import require_most
from warmstart.core.records.values import one_of
from warmstart.core.terminal import counted
from warmstart.errors import InputError, UsageError
from warmstart.image import decoder
from warmstart.image.annotations.box_data import BoxData, BoxedPhoto, LabelledBox
from warmstart.image.annotations.numbers import are_shares, must_be_shares, size_fault

MAX_BOXES = 10_000
"""Of one photo; more is a damaged file."""
MOST_LIKE_SHARES = 0.05
"""Share of the boxes in pixels that may be damaged so that they look like shares of the photo."""
MOST_BEYOND, FEWEST = 0.5, 4
"""Share of the boxes that may reach beyond their photos, and the boxes from which it counts."""


@dataclass
class _Row:
    """A photo whose boxes were checked: (box as the file has it, its sides in pixels).

    Attributes:
        fault: why the photo is left out, unless the data set as a whole is refused for it.
    """

    photo: Any
    name: str
    size: tuple[int, int]
    boxes: list[tuple[LabelledBox, np.ndarray]]
    part: str | None
    group: str | None
    fault: str | None = None


@dataclass
class Collector:
    """Takes what a layout says of its photos, checks it, and lists what is wrong.

    A photo whose annotation is malformed is left out as a whole: half of its boxes would teach
    that the others are background.

    Args:
        labels: the classes that are known; None: those of the data, in alphabetical order.
        strict: whether boxes of other classes are an error; else they are listed and left out.
        repeats: whether a photo may be there more than once.
    """

    labels: Sequence[str] | None = None
    strict: bool = False
    repeats: bool = False
    problems: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    rows: list[_Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """What is wrong with each photo that is left out."""
    parts: dict[str, str | None] = field(default_factory=dict)
    """Of each file that was added."""
    in_two_parts: list[str] = field(default_factory=list)
    turned: int = 0
    """Photos that EXIF turns, whose annotations do not say their size."""
    boxes: int = 0
    beyond: int = 0
    in_pixels: int = 0
    like_shares: int = 0
    certain_shares: int = 0
    """Boxes; those that reach beyond their photos; those in pixels; of these the ones whose sides
    all lie between 0 and 1, and the ones of them that cannot be pixels."""

    def leave_out(self, *faults: str) -> None:
        """List a photo that cannot be used, with what is wrong with it."""
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
            self.leave_out(*faults)
            return
        if not self.repeats and isinstance(photo, str | os.PathLike):
            path = os.fspath(photo)
            if path in self.parts and self.parts[path] == part:
                self.problems.append(f"{name}: occurs twice; the second annotation is left out")
                return
            if path in self.parts:
                self.in_two_parts.append(f"{name} ({self.parts[path]} and {part})")
            self.parts[path] = part
        try:
            true, turned = decoder.upright_size(photo, name=name)
        except InputError as error:
            self.leave_out(str(error))
            return
        if fault := size_fault(name, size, true, turned):
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
                self.like_shares += are_shares(box.sides)
                if must_be_shares(box.sides):
                    self.certain_shares += 1
                    late_fault = (
                        f"{what}: all sides lie between 0 and 1 ({_numbers(sides)}), like "
                        "fractions of the photo's size; the photo is left out"
                    )
            known = self._known(box, what)
            checked = None if known is None else self._checked(what, sides, true)
            if known is not None and checked is not None:
                usable.append((known, checked))
            damaged += known is not None and checked is None
        if damaged and not usable:
            self.leave_out(f"{name}: none of its boxes can be used; the photo is left out")
            return
        self.turned += turned and size is None and bool(usable)
        self.rows.append(_Row(photo, name, true, usable, part, group, late_fault))

    def _known(self, box: LabelledBox, what: str) -> LabelledBox | None:
        """The box under the name of its class; None where this is not known."""
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
        """The box, cut at the photo's edges; None where nothing of it can be used."""
        self.boxes += 1
        if not np.isfinite(box).all():
            self.problems.append(f"{what}: a coordinate is not a finite number")
            return None
        if box[2] <= box[0] or box[3] <= box[1]:
            self.problems.append(f"{what}: has no area ({_numbers(box)})")
            return None
        cut: np.ndarray = np.clip(box, 0, np.array(size * 2))
        self.beyond += bool(np.abs(cut - box).max() > 1.5)
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
            an error; the boxes are shares of the photo where pixels are expected, or most of
            them reach beyond their photos; or more than half of the photos cannot be used.
        """
        self._refuse_shares(what)
        if self.strict and self.unknown:
            raise UsageError(f"{what} has {unknown_classes(self.unknown, self.labels or ())}")
        if self.boxes >= FEWEST and self.beyond > MOST_BEYOND * self.boxes:
            raise UsageError(
                f"{what}: {self.beyond:,} of {self.boxes:,} boxes reach beyond their photos, "
                "so their coordinates must have another meaning, such as width and height "
                "instead of the second corner, or belong to photos of another "
                f"size{few_of(self.problems)}."
            )
        if self.in_two_parts:
            self.problems.append(
                f"{what}: {counted(len(self.in_two_parts), 'photo')} in two splits, such as "
                f"{self.in_two_parts[0]}, so the metrics are not those of unseen photos"
            )
        if self.turned:
            self.columns.append(
                f"{counted(self.turned, 'photo')} rotated by EXIF; boxes are assumed to be "
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
        columns = tuple(dict.fromkeys(self.columns))  # parts are read alike
        return BoxData(photos, names, tuple(self.problems), columns)

    def _refuse_shares(self, what: str) -> None:
        """Leave photos out whose boxes look like shares where pixels are expected.

        Raises:
            UsageError: these are more than damage explains.
        """
        if not self.certain_shares:
            return
        faults = [row.fault for row in self.rows if row.fault]
        if self.like_shares == self.in_pixels:
            raise UsageError(
                f"{what}: all coordinates of boxes lie between 0 and 1, like fractions of "
                "the photo's size, but this format has pixels; multiply them by the width "
                "and height of the photo, or pass a table or a list, in which fractions are "
                "recognised."
            )
        if self.certain_shares > MOST_LIKE_SHARES * self.in_pixels:
            raise UsageError(
                f"{what}: {self.certain_shares:,} of {self.in_pixels:,} boxes are fractions "
                "of the photo's size, the others are in pixels, as this format requires; "
                f"write all of them in pixels{few_of(faults)}."
            )
        self.problems += faults
        self.rows = [row for row in self.rows if not row.fault]


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


def class_of(name: str, labels: Sequence[str]) -> str | None:
    """The one of these classes that a label stands for; None where it is none of them.

    A whole number is an index where no class is called by a number.
    """
    try:
        return one_of(name, labels)
    except (ValueError, IndexError):
        return None


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


def unknown_classes(counts: dict[str, int], known: Sequence[str], unit: str = "") -> str:
    """The end of an error: which classes are not known, how often they occur, and which are."""
    unit = f" {unit}" if unit else ""
    named = ", ".join(f"{name!r} ({count:,}{unit})" for name, count in [*counts.items()][:5])
    more = f" and {len(counts) - 5:,} more" if len(counts) > 5 else ""
    return (
        f"unknown classes: {named}{more}. Known are {', '.join(map(repr, known[:20]))}; "
        "rename or remove the others."
    )


def name_of(photo: Any, default: str) -> str:
    """The path of a photo; `default` for one in memory."""
    return os.fspath(photo) if isinstance(photo, str | os.PathLike) else default


def _numbers(box: np.ndarray) -> str:
    return ", ".join(f"{side:g}" for side in box)


def few_of(problems: Sequence[str]) -> str:
    """The first few, for the end of a message."""
    more = f" (and {len(problems) - 3} more problems)" if len(problems) > 3 else ""
    return f": {'; '.join(problems[:3])}{more}" if problems else ""
