"""Exponential smoothing with a damped trend: what a series without seasons does by itself.

Source: Hyndman, Koehler, Ord, Snyder: Forecasting with Exponential Smoothing: the State Space
Approach (2008), the form ETS(A, Ad, N). Here weights come from a grid, and are those whose forecasts
of one step, of the whole horizon and of steps between would have been best in the past; sample
paths add past errors, sampled, and are made as wide as the errors at each horizon were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVELS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
TRENDS = ((0.0, 0.0), (0.1, 0.8), (0.1, 0.9), (0.05, 0.98), (0.2, 0.98), (0.02, 1.0))
"""(weight of an error in the slope, as a share of that in the level; damping of the slope); the
first has no slope.
"""
GRID = np.array(
    [(level, level * share, damping) for level, (share, damping) in product(LEVELS, TRENDS)]
)
STEPS = 600
"""Of the past, at most, that it is fitted to."""
TOGETHER = 64
"""Series whose states are computed at once: 33 MB."""
WARM_UP = 0.2
"""Share of the steps whose errors do not count: the state settles."""
AHEAD = (1, 2, 4, 7, 12, 20, 32, 48)
"""Horizons whose errors are looked at."""
OUTLIER = 5.0
"""Errors beyond so many median ones are cut: beyond 3.4 standard deviations of a normal."""
COMPLEXITY = 1.02
"""By so much a slope must be better than none."""
FEW = 20
"""So many errors count as much as the belief that those of one step say all."""


@dataclass(frozen=True, eq=False)
class Smoothing:
    """Of one series without seasons.

    Attributes:
        level, slope: behind its end.
        weights: of an error in the level and in the slope, and the damping of the slope.
        errors: float64 (E,), of forecasts of one step.
        sizes: mean absolute error at some horizons.
        counts: of the errors at each of them.
    """

    level: float
    slope: float
    weights: tuple[float, float, float]
    errors: Array
    sizes: dict[int, float]
    counts: dict[int, int]

    def samples(self, horizon: int, count: int, random: np.random.Generator) -> Array:
        """Sample paths, float64 (count, horizon)."""
        alpha, beta, damping = self.weights
        errors = random.choice(self.errors, (horizon, count))
        level, slope = np.full(count, self.level), np.full(count, self.slope)
        paths = np.empty((horizon, count))
        for step in range(horizon):
            forecast = level + damping * slope
            paths[step] = forecast + errors[step]
            level = forecast + alpha * errors[step]
            slope = damping * slope + beta * errors[step]
        point = self.level + _reach(np.arange(1, horizon + 1)[:, None], damping) * self.slope
        wide = self._spread(np.abs(paths - point).mean(1))
        return np.asarray((point + wide[:, None] * (paths - point)).T)

    def _spread(self, sampled: Array) -> Array:
        """What the distances of each step from the point are multiplied by, (horizon,).

        Args:
            sampled: mean distances of the sample paths.
        """
        known = [ahead for ahead in self.sizes if ahead <= len(sampled)]
        logs = []
        for ahead in known:
            actual, ours = self.sizes[ahead], float(sampled[ahead - 1])
            ratio = actual / ours if actual > 0 and ours > 0 else 1.0
            logs.append(np.log(ratio) * self.counts[ahead] / (self.counts[ahead] + FEW))
        spread = np.interp(np.arange(1, len(sampled) + 1), known, np.clip(logs, -1.5, 1.5))
        return np.asarray(np.exp(spread))


def fitted(rows: Sequence[Array], horizon: int) -> list[Smoothing]:
    """Those of some series (T,) each, without missing values, for forecasts of `horizon` steps."""
    fits: list[Smoothing] = []
    for first in range(0, len(rows), TOGETHER):
        some = [values[-STEPS:] for values in rows[first : first + TOGETHER]]
        levels, slopes = _states(some)
        fits += [
            _chosen(values, levels[-len(values) :, row], slopes[-len(values) :, row], horizon)
            for row, values in enumerate(some)
        ]
    return fits


def _states(rows: Sequence[Array]) -> tuple[Array, Array]:
    """Levels and slopes behind each step, for each row of the grid: (T, N, G) each; shorter series
    stand at the end.
    """
    alpha, beta, damping = GRID.T
    values = np.full((max(map(len, rows)), len(rows), 1), np.nan)
    for row, series in enumerate(rows):
        values[-len(series) :, row, 0] = series
    starts = [np.median(series[: max(len(series) // 10, 1)]) for series in rows]
    level = np.repeat(np.array(starts)[:, None], len(GRID), 1)
    slope = np.zeros_like(level)
    levels, slopes = np.empty((2, len(values), *level.shape))
    for step, value in enumerate(values):
        forecast = level + damping * slope
        error = np.nan_to_num(value - forecast)
        level = levels[step] = forecast + alpha * error
        slope = slopes[step] = damping * slope + beta * error
    return levels, slopes


def _chosen(values: Array, levels: Array, slopes: Array, horizon: int) -> Smoothing:
    """The row of the grid with the best forecasts of one series."""
    first = min(max(int(len(values) * WARM_UP), 1), len(values) - 2)
    errors: dict[int, Array] = {}
    for ahead in AHEAD:
        if ahead > 1 and (ahead > horizon or len(values) - first < 2 * ahead):
            break
        forecasts = (levels + _reach(ahead) * slopes)[first:-ahead]
        errors[ahead] = values[first + ahead :, None] - forecasts
    losses = np.stack([np.abs(rows).mean(0) for rows in errors.values()])
    lowest = np.maximum(losses.min(1, keepdims=True), np.finfo(float).tiny)
    loss = (losses / lowest).mean(0) * np.where(GRID[:, 1] > 0, COMPLEXITY, 1.0)
    best = int(loss.argmin())
    alpha, beta, damping = GRID[best].tolist()
    usual = {ahead: _winsorized(rows[:, best]) for ahead, rows in errors.items()}
    return Smoothing(
        float(levels[-1, best]),
        float(slopes[-1, best]),
        (alpha, beta, damping),
        usual[1],
        {ahead: float(np.abs(rows).mean()) for ahead, rows in usual.items()},
        {ahead: len(rows) // ahead for ahead, rows in errors.items()},
    )


def _winsorized(errors: Array) -> Array:
    """Without outliers: one shift of the level must not widen all forecasts behind it."""
    bound = OUTLIER * float(np.median(np.abs(errors)))
    return np.clip(errors, -bound, bound) if bound > 0 else errors


def _reach(ahead: int | NDArray[np.int64], damping: float | Array = GRID[:, 2]) -> Array:
    """How many slopes a forecast lies ahead: damping + damping² + …"""
    is_damped = damping < 1
    safe = np.where(is_damped, damping, 0.0)
    return np.where(is_damped, safe * (1 - safe**ahead) / (1 - safe), ahead)
