"""Labelled pictures in memory: (x, y) arrays as pairs, and the range of their numbers, inferred
from the whole data set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image.depth import Range, extremes, scaled

DARK = 128
"""A data set whose highest number is lower does not have the range 0 to 255."""
ROUNDING = 1e-3
PIXELS = "pixels: "
"""The start of the line that says how pictures in memory were read."""
LEAST_CONTRAST = 0.1
"""The highest number of a completely black float picture in the range 0 to 255."""


def are_arrays(data: Any) -> bool:
    """Whether the data is (x, y): arrays or lists of pictures and of labels, as Keras takes them."""
    if not isinstance(data, tuple) or len(data) != 2:
        return False
    if not all(isinstance(column, list) or _is_array(column) for column in data):
        return False
    x, y = data
    if len(getattr(x, "shape", ())) >= 3:
        return True
    return len(x) > 0 and all(map(_is_picture, x)) and not any(map(_is_picture, y))


def pairs(data: Any) -> list[tuple[np.ndarray, Any]]:
    """The pictures of (x, y) with their labels: integers or strings; for rows of 0 and 1 an index,
    or tuples of indices if rows may have several ones.

    Args:
        data: x (N, H, W) or (N, H, W, channels), or a list of pictures; y (N,), (N, 1), or
            (N, classes) of 0 and 1.

    Raises:
        UsageError: the lengths differ, or y has another shape.
    """
    x, labels = data[0], np.asarray(data[1])
    pictures = list(x) if isinstance(x, list) or x.dtype == object else np.asarray(x)
    shape = np.shape(pictures) if isinstance(pictures, np.ndarray) else (len(pictures), 0, 0)
    if len(shape) not in (3, 4) or shape[0] != len(labels):
        raise UsageError(
            f"(x, y) must be N images and N labels, not {_described(x)} and {_described(data[1])}."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2):
        raise UsageError(
            f"y must have the shape (N,) or (N, classes), not {labels.shape}; for masks pass "
            "a list of (photo, mask)."
        )
    return list(zip(pictures, labels_of_rows(list(labels)), strict=True))


def labels_of_rows(rows: Sequence[Any]) -> list[Any]:
    """The labels of rows of 0 and 1: indices if every row has a single 1, else tuples of indices.
    Other labels are returned unchanged.

    Raises:
        UsageError: a row has other numbers, such as probabilities.
    """
    if not (len(rows) and np.ndim(rows[0]) == 1 and np.size(rows[0]) > 1):
        return list(rows)
    for number, row in enumerate(rows, 1):
        if not np.isin(row, (0, 1)).all():
            raise UsageError(
                f"Label {number} is a row of {np.size(row)} numbers that are not all 0 and "
                "1; pass one index, or 0 and 1 for each class."
            )
    if all(np.sum(row) == 1 for row in rows):
        return [int(np.argmax(row)) for row in rows]
    return [tuple(np.flatnonzero(row).tolist()) for row in rows]


def as_uint8(splits: Mapping[str, list[Any]]) -> str:
    """Convert the arrays among the inputs to uint8, in the lists, and describe their type and
    range.

    Floats are 0 to 1, 0 to 255 or -1 to 1; integers are 0 to 255, or have as many bits as the
    highest one needs. All splits have the same range; nothing is clipped.

    Args:
        splits: inputs by the name of their split: paths, PIL images or arrays.

    Returns:
        The description, "" if no input is an array.

    Raises:
        UsageError: the numbers fit no range, are not finite, or have several ranges, or arrays have
            several types.
    """
    types = sorted(
        {str(np.asarray(value).dtype) for split in splits.values() for value in _arrays(split)}
    )
    if not types:
        return ""
    if len(types) > 1:
        raise UsageError(f"The images are arrays of {' and '.join(types)}; use one type for all.")
    dtype = np.dtype(types[0])
    extremes_of = {
        name: _extremes(split) for name, split in splits.items() if any(map(_is_array, split))
    }
    lows, highs = zip(*extremes_of.values(), strict=True)
    low, high = min(lows), max(highs)
    black, white = _range(low, high, dtype)
    if np.issubdtype(dtype, np.floating):
        _require_one_range(splits, extremes_of, (black, white), dtype)
    if dtype != np.uint8:
        for split in splits.values():
            for row, value in enumerate(split):
                if _is_array(value):
                    split[row] = scaled(np.asarray(value), (black, white), "the picture")
    dark = f"; the highest is {high:g}, so all are dark" if high < DARK <= white else ""
    return f"{dtype} from {black:g} (black) to {white:g} (white){dark}"


def require_same_range(train: Sequence[str], validation: Sequence[str]) -> None:
    """Refuse validation pictures whose range differs from that of the training pictures.

    Args:
        train, validation: the lines on how the data was read, one of which starts with `PIXELS`.

    Raises:
        UsageError: the ranges differ.
    """
    ranges = [
        next((line.partition(";")[0] for line in lines if line.startswith(PIXELS)), None)
        for lines in (train, validation)
    ]
    if None not in ranges and ranges[0] != ranges[1]:
        first, second = (str(line).removeprefix(PIXELS) for line in ranges)
        raise UsageError(
            f"The training images are {first}, and the validation images {second}; use one "
            "range for both."
        )


def _require_one_range(
    splits: Mapping[str, list[Any]],
    extremes_of: Mapping[str, Range],
    common: Range,
    dtype: np.dtype[Any],
) -> None:
    """Refuse floats of several ranges, between the splits or within one.

    Raises:
        UsageError: the ranges differ; the message names both.
    """
    for name, (low, high) in extremes_of.items():
        try:
            own = _range(low, high, dtype)
        except UsageError:  # the split is too dark to tell
            continue
        if _range_class(own) != _range_class(common):
            raise UsageError(
                f"The images of the {name} split have numbers from {low:g} to {high:g}, and "
                f"all together run from {common[0]:g} to {common[1]:g}: use one range for "
                "all splits."
            )
    if _range_class(common) != _range_class((0.0, 255.0)):
        return
    for name, split in splits.items():
        for number, value in enumerate(_arrays(split), 1):
            array = np.asarray(value)
            high = float(array.max())
            if LEAST_CONTRAST < high <= 1 + ROUNDING and np.any(array % 1):
                raise UsageError(
                    f"Image {number} of the {name} split has numbers from {array.min():g} to "
                    f"{high:g}, other images up to {extremes_of[name][1]:g}: it is nearly "
                    "black, or in the range 0 to 1. Use one range for all images, such as "
                    "uint8."
                )


def _range_class(numbers: Range) -> tuple[bool, bool]:
    """(whether a range of floats is -1 to 1, whether it is 0 to 255)."""
    return numbers[0] < 0, numbers[1] > 1 + ROUNDING


def _described(values: Any) -> str:
    return (
        f"a list of {len(values):,}"
        if isinstance(values, list)
        else f"an array of the shape {values.shape}"
    )


def _is_picture(value: Any) -> bool:
    return hasattr(value, "getbands") or (_is_array(value) and value.ndim >= 2)


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not hasattr(value, "getbands")


def _arrays(inputs: Sequence[Any]) -> Iterator[Any]:
    return (value for value in inputs if _is_array(value))


def _extremes(inputs: Sequence[Any]) -> Range:
    low, high = np.inf, -np.inf
    for number, value in enumerate(_arrays(inputs), 1):
        array = np.asarray(value)
        types = (np.floating, np.integer, np.bool_)
        if not any(np.issubdtype(array.dtype, each) for each in types) or not array.size:
            raise UsageError(
                f"Image {number} is an array of {array.dtype} of the shape {array.shape}; "
                "pass numbers, (height, width) or (height, width, 1, 3 or 4)."
            )
        try:
            lowest, highest = extremes(array, f"Picture {number}")
        except InputError as error:
            raise UsageError(str(error)) from error
        low, high = min(low, lowest), max(high, highest)
    return low, high


def _range(low: float, high: float, dtype: np.dtype[Any]) -> Range:
    if np.issubdtype(dtype, np.bool_):
        return 0.0, 1.0
    if np.issubdtype(dtype, np.floating):
        if low < 0 and 0.5 + ROUNDING < max(-low, high) <= 1 + ROUNDING:
            return -max(-low, 1.0), max(high, 1.0)
        if low >= 0 and high <= 1 + ROUNDING:
            return 0.0, max(high, 1.0)
        if low >= 0 and DARK <= high <= 255:
            return 0.0, 255.0
    elif low >= 0 and (high >= DARK or (dtype == np.uint8 and high != 1)):
        return 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
    raise UsageError(
        f"The images are arrays of {dtype} with numbers from {low:g} to {high:g}, which is "
        "not 0 to 1, 0 to 255 or -1 to 1. Pass them without normalisation, or scale them so "
        "that black is 0 and white is 1."
    )
