"""Location and scale of a window: what a network's values are relative to.

`"mean"` is the paper's: no location, the mean absolute value of the context. `"robust"` has the
median of the context as location and the mean absolute deviation of the whole past as scale, so
that what a network forecasts does not depend on the unit or the zero of a series. A context is too
short for a scale: one promotion more or less would change what all the others look like. Where
seasons were taken off before, this is harmless: `"recent"` has the deviation of the context as
scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCALINGS = ("mean", "robust", "recent")
LARGEST = np.finfo(np.float64).max
FLAT = 1e-13
"""A deviation below this share of the largest value is rounding."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """The scaling of N windows.

    Attributes:
        unit: float64 (N,), a power of two that keeps numbers near the limits of floats in range.
        loc, scale: float64 (N,), in this unit; the scale is above 0.
        volatility: float64 (N,), natural logarithm of how much the context varies, as a share of
            the past, from -3 to 3; zeros without a location.
    """

    unit: NDArray[np.float64]
    loc: NDArray[np.float64]
    scale: NDArray[np.float64]
    volatility: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        values: NDArray[np.float64],
        observed: NDArray[np.bool_],
        context: int,
        scaling: str,
        level: float = 0.0,
    ) -> Scaling:
        """The scaling of windows whose last `context` steps are the context. If a window does not
        vary, its scale is its absolute value, or 1.

        Args:
            values, observed: (N, T), left-padded with steps that are not observed.
            level: for `"robust"`: the median becomes 1, and the deviation 1 / level, as if the
                series were that far from zero; 0 for none. This allows a network that was
                trained with `"mean"` to be used with a location.
        """
        largest = np.asarray(np.where(observed, np.abs(values), 0.0).max(-1, initial=0.0))
        is_extreme = (largest > 1e100) | ((largest < 1e-100) & (largest > 0))
        unit = power_of_two(np.where(is_extreme, largest, 1.0)).reshape(-1)
        values = values / unit[:, None]
        if scaling == "mean":
            scale = scale_of(values, observed, context)
            return cls(unit, np.zeros(len(values)), scale, np.zeros(len(values)))
        past = np.where(observed, values, np.nan)
        recent = past[:, -context:]
        middle = _median(past)
        has_recent = np.asarray(np.isfinite(recent).any(1))
        loc = np.where(has_recent, _median(recent), middle)
        scale = _deviation(past, middle)
        scale = np.where(scale > FLAT * np.abs(middle), scale, np.abs(middle))
        scale = np.where(scale > 0, scale, 1.0)
        share = np.where(has_recent, _deviation(recent, loc), scale) / scale
        volatility = np.log(np.clip(share, np.exp(-3), np.exp(3)))
        if scaling == "recent":
            scale = scale * np.exp(volatility)
        if level:
            loc, scale = loc - level * scale, level * scale
        return cls(unit, loc, scale, volatility)

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale values (N, …) from the series' units to those of the network."""
        unit, loc, scale = (
            self._like(array, values) for array in (self.unit, self.loc, self.scale)
        )
        scaled: NDArray[np.float32] = ((values / unit - loc) / scale).astype(np.float32)
        return scaled

    def in_units(self, scaled: NDArray[np.float32]) -> NDArray[np.float64]:
        """Scale values (N, …) from those of the network to the series' units; never infinite."""
        unit, loc, scale = (
            self._like(array, scaled) for array in (self.unit, self.loc, self.scale)
        )
        with np.errstate(over="ignore"):
            values = (loc + scale * scaled.astype(np.float64)) * unit
        return np.clip(values, -LARGEST, LARGEST)

    @property
    def log_scale(self) -> NDArray[np.float64]:
        """Natural logarithm of the scale in the series' units, (N,)."""
        logarithm: NDArray[np.float64] = np.log(self.scale) + np.log(self.unit)
        return logarithm

    @property
    def size(self) -> NDArray[np.float64]:
        """The scale in the series' units, (N,), finite."""
        size: NDArray[np.float64] = np.exp(np.minimum(self.log_scale, 709.0))
        return size

    def rows(self, part: NDArray[np.int64] | slice) -> Scaling:
        """The scaling of the selected windows."""
        return Scaling(self.unit[part], self.loc[part], self.scale[part], self.volatility[part])

    @staticmethod
    def _like(array: NDArray[np.float64], values: NDArray[np.generic]) -> NDArray[np.float64]:
        return array.reshape(-1, *[1] * (values.ndim - 1))


def power_of_two(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest power of two that is not above each positive number; exact up to the limits of
    floats, where `exp2(floor(log2(x)))` is off by rounding.
    """
    exponents = np.frexp(values)[1]
    powers: NDArray[np.float64] = np.ldexp(1.0, exponents - 1)
    return powers


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of each row, without NaN; 0 if there are no other values."""
    count = np.isfinite(values).sum(1)
    ordered = np.sort(values, 1)  # NaN comes last
    rows = np.arange(len(values))
    low = ordered[rows, np.maximum(count - 1, 0) // 2]
    high = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    return np.where(count > 0, low / 2 + high / 2, 0.0)


def _deviation(values: NDArray[np.float64], loc: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean absolute deviation of each row from its location, without NaN."""
    count = np.maximum(np.isfinite(values).sum(1), 1)
    deviation: NDArray[np.float64] = np.nansum(np.abs(values - loc[:, None]), 1) / count
    return deviation


def scale_of(
    values: NDArray[np.float64], observed: NDArray[Any], context: int
) -> NDArray[np.float64]:
    """Mean absolute observed value of the last `context` steps; where that is 0, of all; where that
    is 0, 1.

    Args:
        values, observed: (…, T), left-padded with steps that are not observed.

    Returns:
        (…), above 0.
    """

    def mean(x: NDArray[np.float64], observed: NDArray[Any]) -> NDArray[np.float64]:
        means: NDArray[np.float64] = (np.abs(x) * observed).sum(-1) / np.maximum(
            observed.sum(-1), 1
        )
        return means

    recent = mean(values[..., -context:], observed[..., -context:])
    overall = mean(values, observed)
    scale = np.where(recent > 0, recent, overall)
    return np.where(scale > 0, scale, 1.0)
