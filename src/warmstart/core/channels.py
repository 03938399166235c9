"""Converts the weights of a network for RGB pictures to another number of channels."""

from __future__ import annotations

import numpy as np

RGB = 3


def inflated(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array of a network for three channels, converted to the number of channels in `shape`.

    The three slices of a convolution kernel (h, w, 3, filters) are repeated in turn and scaled by
    3 / channels; for one channel they are added up. A picture whose channels are equal then gives
    the same outputs as in RGB, exactly so for one channel or a multiple of three. Carreira and
    Zisserman (2017), arXiv:1705.07750, inflate kernels along time in this way. Means and variances
    of the channels (3,) are repeated; for one channel they are averaged.

    Args:
        array: of the network for three channels.
        shape: of the array in the other network; if it is the same, the array is not changed.

    Raises:
        ValueError: the shapes differ in more than the number of channels.
    """
    axes = [
        axis
        for axis, sides in enumerate(zip(array.shape, shape, strict=False))
        if sides[0] != sides[1]
    ]
    if array.ndim != len(shape) or len(axes) > 1 or (axes and array.shape[axes[0]] != RGB):
        raise ValueError(f"weights of the shape {array.shape} do not fit {shape}")
    if not axes:
        return array
    (axis,) = axes
    count, is_kernel = shape[axis], array.ndim == 4 and axis == 2
    if count == 1:
        total: np.ndarray = array.sum(axis, keepdims=True)
        return total if is_kernel else np.asarray(total / RGB)
    repeated: np.ndarray = np.take(array, np.arange(count) % RGB, axis=axis)
    return repeated * array.dtype.type(RGB / count) if is_kernel else repeated
