"""Labelled pictures in memory: (x, y) arrays as pairs, and one range of numbers for a data set,
decided from all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from warmstart.errors import InputError, UsageError
from warmstart.image.depth import Range, extremes, scaled

DARK = 128
"""Below this highest number a whole data set of pictures has another range than 0 to 255."""
ROUNDING = 1e-3


def are_arrays(data: Any) -> bool:
    """Whether the data is (x, y): arrays of pictures and of labels, as Keras takes them."""
    return (
        isinstance(data, tuple)
        and len(data) == 2
        and all(hasattr(part, "shape") and hasattr(part, "__array__") for part in data)
        and len(data[0].shape) >= 3
    )


def pairs(data: Any) -> list[tuple[np.ndarray, Any]]:
    """The pictures of (x, y) with their labels: whole numbers or strings; an index for a row with a
    single 1, and a tuple of indices where rows may have several.

    Args:
        data: x (N, H, W) or (N, H, W, channels); y (N,), (N, 1), or (N, classes) of 0 and 1.

    Raises:
        UsageError: the lengths differ, or y has another shape.
    """
    pictures, labels = (np.asarray(part) for part in data)
    if pictures.ndim not in (3, 4) or len(pictures) != len(labels):
        raise UsageError(
            f"(x, y) must be N pictures and N labels, not arrays of the shapes {pictures.shape} and "
            f"{labels.shape}."
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim not in (1, 2):
        raise UsageError(
            f"y must have the shape (N,) or (N, classes), not {labels.shape}; for masks give a list of "
            "(photo, mask)."
        )
    return list(zip(pictures, labels_of_rows(list(labels)), strict=True))


def labels_of_rows(rows: Sequence[Any]) -> list[Any]:
    """Labels of rows of 0 and 1: an index where every row has a single 1, else tuples of indices;
    other rows as they are.

    Raises:
        UsageError: a row has other numbers, such as probabilities.
    """
    if not (len(rows) and np.ndim(rows[0]) == 1 and np.size(rows[0]) > 1):
        return list(rows)
    for number, row in enumerate(rows, 1):
        if not np.isin(row, (0, 1)).all():
            raise UsageError(
                f"Label {number} is a row of {np.size(row)} numbers that are not all 0 and 1; give "
                "one index, or 0 and 1 for each class."
            )
    if all(np.sum(row) == 1 for row in rows):
        return [int(np.argmax(row)) for row in rows]
    return [tuple(np.flatnonzero(row).tolist()) for row in rows]


def as_uint8(parts: Iterable[list[Any]]) -> str:
    """Turn the arrays among the inputs into uint8, in place; returns what they were, as a sentence.

    Floats are 0 to 1, 0 to 255 or -1 to 1; whole numbers 0 to 255, or use as many bits as the
    highest one needs. Nothing is clipped.

    Args:
        parts: inputs to train on, to validate, …: paths, PIL images or arrays.

    Returns:
        "" where no input is an array.

    Raises:
        UsageError: the numbers fit no range, are not finite, or arrays are of several types.
    """
    parts = list(parts)
    types = sorted({str(_array(value).dtype) for value in _arrays(parts)})
    if not types:
        return ""
    if len(types) > 1:
        raise UsageError(
            f"The pictures are arrays of {' and '.join(types)}; give all of them in one type."
        )
    low, high = _extremes(parts)
    black, white = _range(low, high, np.dtype(types[0]))
    if types[0] != "uint8":
        for part in parts:
            for row, value in enumerate(part):
                if _is_array(value):
                    part[row] = scaled(_array(value), (black, white), "the picture")
    return f"{types[0]} from {black:g} (black) to {white:g} (white)"


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not hasattr(value, "getbands")


def _array(value: Any) -> np.ndarray:
    return np.asarray(value)


def _arrays(parts: Sequence[list[Any]]) -> Iterator[Any]:
    return (value for part in parts for value in part if _is_array(value))


def _extremes(parts: Sequence[list[Any]]) -> Range:
    low, high = np.inf, -np.inf
    for number, value in enumerate(_arrays(parts), 1):
        array = _array(value)
        known = (np.floating, np.integer, np.bool_)
        if not any(np.issubdtype(array.dtype, one) for one in known) or not array.size:
            raise UsageError(
                f"Picture {number} is an array of {array.dtype} of the shape {array.shape}; give "
                "numbers, (height, width) or (height, width, 1, 3 or 4)."
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
        f"The pictures are arrays of {dtype} with numbers from {low:g} to {high:g}: that is none of "
        "0 to 1, 0 to 255 and -1 to 1. Give them as they were before normalisation, or scale them "
        "so that black is 0 and white is 1."
    )
