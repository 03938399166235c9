"""Pixels of any depth as 8-bit pixels.

For integers and floats of more than 8 bits, black is 0, and white is the smallest of 1 (only for
floats), 255, 511, 1023, … 65535, … (8, 9, 10, … 16, … bits) that no number exceeds. If a number is
negative, black is the lowest number and white the highest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from warmstart.errors import InputError

Range = tuple[float, float]
"""The numbers that stand for black and white."""
ValueRange = str | Range
_NAMED: dict[str, Range] = {"0..1": (0.0, 1.0), "0..255": (0.0, 255.0), "-1..1": (-1.0, 1.0)}
ROUNDING = 1e-5
"""The fraction of the range by which a number may lie outside it."""


def to_8bit(pixels: np.ndarray, name: str, value_range: ValueRange | None) -> np.ndarray:
    """Convert to uint8; `value_range` is the user's, for floats.

    Raises:
        InputError: a number is not finite, or outside the range.
    """
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == bool:
        return pixels.astype(np.uint8) * np.uint8(255)
    is_float = np.issubdtype(pixels.dtype, np.floating)
    if value_range is not None and is_float:
        return scaled(pixels, range_of(value_range, name), name)
    low, high = extremes(pixels, name)
    if low >= 0 and not is_float:  # the upper 8 of the bits in use
        bits = max(8, int(high).bit_length())
        return (pixels >> (bits - 8)).astype(np.uint8)
    return scaled(pixels, usual_range(low, high, is_float=is_float), name)


def usual_range(low: float, high: float, *, is_float: bool) -> Range:
    """Black and white by the rule of this module, for numbers from `low` to `high`."""
    if low < 0:
        return low, max(high, low + 1e-12)
    if is_float and high <= 1:
        return 0.0, 1.0
    return 0.0, float(2 ** max(8, int(np.ceil(high)).bit_length()) - 1)


def range_of(value_range: Any, name: str) -> Range:
    """The range of a name such as "0..1", or of two numbers.

    Raises:
        InputError: the value is neither.
    """
    if isinstance(value_range, str) and value_range in _NAMED:
        return _NAMED[value_range]
    if isinstance(value_range, tuple | list) and len(value_range) == 2:
        try:
            low, high = map(float, value_range)
        except (TypeError, ValueError):
            low, high = 0.0, 0.0
        if low < high < np.inf and low > -np.inf:
            return low, high
    raise InputError(
        f"{name}: value_range must be '0..1', '0..255', '-1..1' or two ascending numbers, not "
        f"{value_range!r}",
        name,
    )


def extremes(pixels: np.ndarray, name: str) -> Range:
    """The lowest and the highest number.

    Raises:
        InputError: a number is not finite.
    """
    low, high = float(pixels.min()), float(pixels.max())  # NaN if any number is NaN
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{name}: contains NaN or infinity", name)
    return low, high


def scaled(pixels: np.ndarray, black_white: Range, name: str) -> np.ndarray:
    """Scale numbers of a range to uint8; those outside it by no more than `ROUNDING` are clipped.

    Raises:
        InputError: a number is not finite, or outside the range.
    """
    black, white = black_white
    low, high = extremes(pixels, name)
    slack = ROUNDING * (white - black)
    if low < black - slack or high > white + slack:
        raise InputError(
            f"{name}: its numbers run from {low:g} to {high:g}, outside the range "
            f"{black:g}..{white:g}",
            name,
        )
    if pixels.dtype not in (np.float32, np.float64):
        pixels = pixels.astype(np.float64)
    shifted = pixels - black if black else pixels
    return np.clip(np.rint(shifted * (255.0 / (white - black))), 0, 255).astype(np.uint8)
