"""Bicubic resizing of a map of vectors, as PyTorch does it.

Source: Keys, "Cubic convolution interpolation for digital image processing" (1981); the kernel's
parameter is -0.75 (that of PyTorch), or -0.5 if it averages (that of Pillow).
"""

from __future__ import annotations

import math

import numpy as np


def resized(array: np.ndarray, size: tuple[int, int], *, antialias: bool = False) -> np.ndarray:
    """A map (H, W, D) at another height and width, float32.

    Args:
        array: the map.
        size: (height, width).
        antialias: whether the kernel widens if the map shrinks, so that every value counts.
    """
    rows = weights(array.shape[0], size[0], antialias=antialias)
    columns = weights(array.shape[1], size[1], antialias=antialias)
    values = np.einsum("ih,jw,hwd->ijd", rows, columns, array.astype(np.float64), optimize=True)
    return np.ascontiguousarray(values, np.float32)


def weights(old: int, new: int, *, antialias: bool = False) -> np.ndarray:
    """(new, old): what each value of a row counts in each value of the resized row; the edges are
    repeated.
    """
    scale = old / new
    matrix = np.zeros((new, old))
    for index in range(new):
        center = scale * (index + 0.5)
        if antialias:
            stretch = max(scale, 1.0)
            first = max(int(center - 2 * stretch + 0.5), 0)
            last = min(int(center + 2 * stretch + 0.5), old)
            taps = {n: _cubic((n - center + 0.5) / stretch, -0.5) for n in range(first, last)}
            total = sum(taps.values())
            for n, weight in taps.items():
                matrix[index, n] = weight / total
        else:
            start = math.floor(center - 0.5)
            for n in range(start - 1, start + 3):
                weight = _cubic(n - (center - 0.5), -0.75)
                matrix[index, min(max(n, 0), old - 1)] += weight
    return matrix


def _cubic(x: float, a: float) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    if x < 2:
        return (((x - 5) * x + 8) * x - 4) * a
    return 0.0
