"""Exponential smoothing of level, trend and season: a forecaster that needs no training.

The additive form of Holt (1957) and Winters (1960) with the damped trend of Gardner and McKenzie
(1985): ETS(A, Ad, A) of Hyndman, Koehler, Ord and Snyder, Forecasting with Exponential Smoothing
(2008). Sample paths add past errors. `smoothing_fit` chooses the parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]


class Parameters(NamedTuple):
    """A grid of parameters, (K,) each.

    Attributes:
        alpha, beta, gamma: weights of an error in the level, the trend and the season.
        phi: damping of the trend; 0 for no trend.
    """

    alpha: Array
    beta: Array
    gamma: Array
    phi: Array


PRIOR_COUNT = 20
"""Weight, in number of errors, of the prior that one-step errors explain the spread at a horizon.
"""


@dataclass(frozen=True, eq=False)
class Smoother:
    """The smoothing state at the end of one series.

    Attributes:
        parameters: (alpha, beta, gamma, phi).
        level, trend: after the last step.
        profile: of the season, (season,); the first belongs to the next step.
        errors: one-step forecast errors, (E,).
        loss: mean squared one-step error; 0 if the parameters were chosen by other errors.
        spread: horizon -> (mean absolute error, number of independent errors).
    """

    parameters: tuple[float, float, float, float]
    level: float
    trend: float
    profile: Array
    errors: Array
    loss: float = 0.0
    spread: dict[int, tuple[float, int]] = field(default_factory=dict)

    def paths(self, horizon: int, count: int, random: np.random.Generator) -> Array:
        """Sample paths, float64 (count, horizon); errors are resampled from past ones."""
        alpha, beta, gamma, phi = self.parameters
        errors = random.choice(self.errors, (horizon, count))
        level, trend = np.full(count, self.level), np.full(count, self.trend)
        profile = np.repeat(self.profile[:, None], count, 1)
        paths = np.empty((horizon, count))
        for step, error in enumerate(errors):
            season = profile[step % len(profile)]
            damped = phi * trend
            paths[step] = level + damped + season + error
            level, trend = level + damped + alpha * error, damped + beta * error
            season += gamma * error
        if self.spread:
            point = self.level + reach(np.arange(1, horizon + 1)[:, None], phi) * self.trend
            widths = self._widths(np.abs(paths - point).mean(1))
            paths = point + widths[:, None] * (paths - point)
        return np.ascontiguousarray(paths.T)

    def _widths(self, distances: Array) -> Array:
        """Factors (horizon,) that rescale the distances of sample paths from the point forecast.

        Args:
            distances: mean distances of the sample paths.
        """
        horizons = [horizon for horizon in self.spread if horizon <= len(distances)]
        logs = []
        for horizon in horizons:
            (actual, count), sampled = self.spread[horizon], float(distances[horizon - 1])
            ratio = actual / sampled if actual > 0 and sampled > 0 else 1.0
            logs.append(np.log(ratio) * count / (count + PRIOR_COUNT))
        steps = np.arange(1, len(distances) + 1)
        return np.asarray(np.exp(np.interp(steps, horizons, np.clip(logs, -1.5, 1.5))))


def reach(steps: int | NDArray[np.int64], phi: float | Array) -> Array:
    """The factor of the trend after `steps` steps: phi + phi² + …"""
    is_damped = phi < 1
    safe = np.where(is_damped, phi, 0.0)
    return np.where(is_damped, safe * (1 - safe**steps) / (1 - safe), steps)


def smoothed(
    values: Array,
    is_observed: Flags,
    starts: NDArray[np.int64],
    levels: Array,
    trends: Array,
    profiles: Array,
    parameters: Parameters,
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the errors of each step, and the levels and trends after it, (N, K) each.

    Args:
        values: (N, T); shorter series are aligned to the end.
        is_observed: (N, T); other values have no error.
        starts: the first step of each series, (N,).
        levels, trends: before the first step, (N, K).
        profiles: by step modulo the season, (N, season, K); updated in place.
    """
    alpha, beta, gamma, phi = parameters
    season = profiles.shape[1]
    is_complete = np.asarray(is_observed.all(0))
    last_start = int(starts.max())
    for step in range(values.shape[1]):
        profile = profiles[:, step % season]
        damped = phi * trends
        forecasts = levels + damped
        errors = values[:, step, None] - forecasts - profile
        if not is_complete[step]:
            errors = np.where(is_observed[:, step, None], errors, 0.0)
        new_levels, new_trends = forecasts + alpha * errors, damped + beta * errors
        if step < last_start:
            is_inside = (step >= starts)[:, None]
            new_levels = np.where(is_inside, new_levels, levels)
            new_trends = np.where(is_inside, new_trends, trends)
        levels, trends = new_levels, new_trends
        if season > 1:
            profile += gamma * errors
        yield errors, levels, trends
