"""Masks from polygons and COCO's run lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from warmstart.errors import UsageError

MOST_POINTS = 100_000


def polygon_mask(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> np.ndarray:
    """The mask, bool (H, W), of polygons [x, y, x, y, …] in pixels; `size` is (width, height).

    Raises:
        UsageError: a polygon is not a list of three or more finite points.
    """
    inside = np.zeros(size[::-1], bool)
    for polygon in polygons:
        if (
            not isinstance(polygon, list | tuple)
            or len(polygon) < 6
            or len(polygon) % 2
            or len(polygon) > MOST_POINTS
            or not all(isinstance(v, int | float) for v in polygon)
        ):
            raise UsageError(
                "a polygon must be a flat list of three or more points: x1, y1, x2, y2, …"
            )
        points = np.asarray(polygon, np.float64).reshape(-1, 2)
        if not np.isfinite(points).all():
            raise UsageError("a polygon has a number that is not finite")
        inside |= _filled(points, size)
    return inside


def refuse_outside(polygons: Sequence[Sequence[float]], size: tuple[int, int]) -> None:
    """Refuse polygons that lie outside a photo of this (width, height).

    Raises:
        UsageError: all points lie beyond one edge, or between 0 and 1.
    """
    points = np.concatenate([np.asarray(polygon, np.float64) for polygon in polygons])
    points = points.reshape(-1, 2)
    if points.min() >= 0 and points.max() <= 1:
        raise UsageError(
            "all numbers of its polygon lie between 0 and 1, like fractions of the photo's "
            "size, but this format has pixels"
        )
    if (points.max(0) <= 0).any() or (points.min(0) >= np.array(size)).any():
        raise UsageError(f"its polygon is outside the photo of {size[0]}x{size[1]} pixels")


def _filled(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The pixels whose centres lie inside a polygon, by the even-odd rule."""
    width, height = size
    crossed = np.zeros((height, width + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        (x0, y0), (x1, y1) = sorted(((x0, y0), (x1, y1)), key=lambda point: point[1])
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (y0, y1))
        rows = np.arange(first, last)
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            crossed[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(int)] ^= 1
    return np.bitwise_xor.accumulate(crossed, axis=1)[:, :width].astype(bool)


def run_length_mask(record: Mapping[str, Any], size: tuple[int, int]) -> np.ndarray:
    """The mask, bool (H, W), of COCO's run lengths: `counts` (a list, or compressed text) in column
    order, and `size` [H, W].

    Raises:
        UsageError: they are damaged, or for a photo of another size.
    """
    recorded, counts = record.get("size"), record.get("counts")
    width, height = size
    if recorded != [height, width]:
        raise UsageError(
            f"its run lengths are for a photo of {recorded} (height, width), not {[height, width]}"
        )
    runs = uncompressed(counts) if isinstance(counts, str) else counts
    if (
        not isinstance(runs, list)
        or not all(isinstance(n, int) and n >= 0 for n in runs)
        or sum(runs) != width * height
    ):
        raise UsageError(f"its run lengths do not add up to {width * height} pixels")
    values = np.zeros(len(runs), bool)
    values[1::2] = True
    return np.repeat(values, runs).reshape(width, height).T


def uncompressed(text: str) -> list[int]:
    """The run lengths of COCO's compressed text: five bits per character, as differences to the run
    before the previous one.

    Raises:
        UsageError: the text is damaged.
    """
    runs: list[int] = []
    index = 0
    while index < len(text):
        value, shift, more = 0, 0, True
        while more:
            if index >= len(text) or shift > 60:
                raise UsageError("its compressed run lengths are damaged")
            bits = ord(text[index]) - 48
            value |= (bits & 31) << shift
            more, shift, index = bool(bits & 32), shift + 5, index + 1
            if not more and bits & 16:
                value -= 1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
    return runs
