"""The meaning of the values of masks, detected for a whole data set: classes, ignored pixels, or
background and object.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from warmstart.core.records.columns import listed
from warmstart.core.records.values import one_of
from warmstart.counts import counted
from warmstart.errors import UsageError
from warmstart.image.annotations.collector import unknown_classes
from warmstart.image.annotations.mask_values import NOT_COUNTED

BACKGROUND = "background"
BACKGROUNDS = (BACKGROUND, "_background_")
"""Names of the background, in lower case."""
TWO_VALUED = (BACKGROUND, "object")


@dataclass(frozen=True)
class Encoding:
    """The mapping of values to class indices.

    Attributes:
        labels: the classes in order.
        object_value: the value of the object in masks of two values, of which the other is 0; None:
            values are indices, and 255 is ignored.
    """

    labels: tuple[str, ...]
    object_value: int | None = None

    def is_valid(self, value: int) -> bool:
        """Whether a value stands for a class or for ignored pixels."""
        if self.object_value is not None and value == self.object_value:
            return True
        count = len(self.labels) if self.object_value is None else 1
        return 0 <= value < count or value == NOT_COUNTED

    def indices(self, values: np.ndarray) -> np.ndarray:
        """The class indices, uint8 (H, W), of the values of a mask (H, W)."""
        if self.object_value is None:
            return values.astype(np.uint8)
        indices = np.where(values == NOT_COUNTED, NOT_COUNTED, 0).astype(np.uint8)
        indices[values == self.object_value] = 1
        return indices


class Values:
    """The values of all masks of a data set.

    Attributes:
        pixels: the number of pixels by value.
        examples: the name of the first mask with each set of values.
    """

    def __init__(self) -> None:
        self.pixels: Counter[int] = Counter()
        self.examples: dict[frozenset[int], str] = {}

    def add(self, mask: np.ndarray, name: str) -> None:
        """Count the values of a mask."""
        values, counts = np.unique(mask, return_counts=True)
        self.pixels.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        self.examples.setdefault(frozenset(values.tolist()), name)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.pixels))


def decide(values: Values, labels: Sequence[str] | None, name: str) -> Encoding:
    """Detect the encoding of a data set.

    Two values, 0 and another, are background and object; a single label is that of the object. Else
    values are class indices, and 255 is ignored.

    Args:
        values: of all masks.
        labels: the classes in order; None: "class 0" and so on.
        name: of the data, for messages.

    Raises:
        UsageError: a value has no class, there are fewer than two classes, or objects are 1 in some
            masks and 255 in others.
    """
    if labels is not None and not labels:
        raise UsageError(f"{name}: there are no labels.")
    if labels is not None and len(labels) == 1:
        labels = with_background(labels)
    counts, ordered = values.pixels, list(values)
    if labels is None or len(labels) == 2:
        _refuse_two_scales(values, name)
        if len(ordered) == 2 and ordered[0] == 0:
            return Encoding(tuple(labels or TWO_VALUED), None if ordered[1] == 1 else ordered[1])
    if labels is None:
        indices = [value for value in ordered if value != NOT_COUNTED]
        if indices != list(range(len(indices))):
            raise UsageError(
                f"{name}: the masks contain {_counted(counts, ordered)}, and there are no "
                f"labels for these values. {_ADVICE}"
            )
        if len(indices) < 2:
            raise UsageError(
                f"{name}: the masks contain {_counted(counts, ordered)}, so "
                "there are fewer than two classes."
            )
        labels = [f"class {index}" for index in indices]
    encoding = Encoding(tuple(labels))
    check(encoding, values, name)
    refuse_objects_of_255(encoding, values, name)
    return encoding


def with_background(names: Sequence[str]) -> tuple[str, ...]:
    """The classes with the background first, under its name in `names` if it has one."""
    background = next((name for name in names if name.casefold() in BACKGROUNDS), BACKGROUND)
    return (background, *(name for name in names if name != background))


def _refuse_two_scales(values: Values, name: str) -> None:
    """Refuse masks of two values whose objects are 1 in some and 255 in others.

    Raises:
        UsageError: both occur, and no mask has 1 and 255.
    """
    sets = values.examples
    ones = [values for values in sets if 1 in values]
    others = [values for values in sets if NOT_COUNTED in values]
    if ones and others and set(values) <= {0, 1, NOT_COUNTED} and not {*ones} & {*others}:
        raise UsageError(
            f"{name}: the masks contain 0 and 1, such as that of {sets[ones[0]]}, or 0 and 255, "
            f"such as that of {sets[others[0]]}. 255 may be the object, too, or ignored "
            "pixels; save all masks with 0 and 1, or all with 0 and 255."
        )


def refuse_objects_of_255(encoding: Encoding, values: Values, name: str) -> None:
    """Refuse masks with only 0 and 255 if 255 is ignored.

    Raises:
        UsageError: there are no other values.
    """
    if list(values) == [0, NOT_COUNTED] and encoding.object_value is None:
        known = ", ".join(f"{index} {label!r}" for index, label in enumerate(encoding.labels[:20]))
        raise UsageError(
            f"{name}: the masks contain nothing but "
            f"{_counted(values.pixels, [0, NOT_COUNTED])}, and the {len(encoding.labels)} "
            f"classes are {known}; 255 would be ignored, so all objects would be lost. Write "
            "the index of the class instead, or pass two labels, background and object."
        )


def translation(
    encoding: Encoding, labels: Sequence[str], values: Values, name: str
) -> np.ndarray | None:
    """The index in `labels` of each class of an encoding, by name, uint8 (256,); None if both are
    equal.

    Raises:
        UsageError: a class with pixels is not among the labels.
    """
    if tuple(labels) == encoding.labels:
        return None
    table = np.full(256, NOT_COUNTED, np.uint8)
    unknown: dict[str, int] = {}
    pixels: Counter[int] = Counter()
    for value, count in values.pixels.items():
        pixels[int(encoding.indices(np.array([value]))[0])] += count
    for index, label in enumerate(encoding.labels):
        try:
            table[index] = labels.index(one_of(label, labels))
        except (ValueError, IndexError):
            if pixels[index]:
                unknown[label] = pixels[index]
    if unknown:
        raise UsageError(f"{name} has {unknown_classes(unknown, labels, 'pixels')}")
    return table


_ADVICE = (
    "Pass the classes in order as labels=, or their colours as colours={label: (red, green, blue)}, "
    "with three equal numbers for a grey level. A mask that was saved as JPEG or resized "
    "with interpolation has spurious values."
)


def check(encoding: Encoding, values: Values, name: str) -> None:
    """Refuse values that have no class.

    Raises:
        UsageError: masks have such values; the message has the numbers of their pixels.
    """
    counts = values.pixels
    invalid = [value for value in sorted(counts) if not encoding.is_valid(value)]
    if invalid:
        known = ", ".join(f"{index} {label!r}" for index, label in enumerate(encoding.labels[:20]))
        if encoding.object_value is not None:
            known = f"0 {encoding.labels[0]!r}, {encoding.object_value} {encoding.labels[1]!r}"
        first = next(mask for found, mask in values.examples.items() if found & {*invalid})
        raise UsageError(
            f"{name}: the masks contain {_counted(counts, invalid)}, which have no label; "
            f"the {len(encoding.labels)} classes are {known}. The first is in the mask of {first}. "
            f"{_ADVICE}"
        )
    if not any(count for value, count in counts.items() if value != NOT_COUNTED):
        raise UsageError(f"{name}: no pixel of any mask belongs to a class.")


def _counted(counts: Counter[int], values: Sequence[int]) -> str:
    return listed((f"{value} ({counted(counts[value], 'pixel')})" for value in values), 8)
