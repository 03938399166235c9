"""Exponential smoothing of level, trend and season: a forecaster that needs no training, for many
series at once.

The additive form of Holt (1957) and Winters (1960), with the damped trend of Gardner and McKenzie
(1985); see Hyndman and Athanasopoulos, Forecasting: Principles and Practice, chapter 8. Parameters
are those of a grid with the smallest squared errors of one step. All of it follows y -> a y + b.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from warmstart.series import frequency
from warmstart.series.features import filled
from warmstart.series.scaling import power_of_two

Array: TypeAlias = NDArray[np.float64]

ALPHAS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.999)
TRENDS = ((0.0, 0.0), (0.02, 0.98), (0.02, 1.0), (0.1, 0.9), (0.1, 0.98), (0.1, 1.0), (0.3, 0.9))
"""(share of alpha that the trend learns by, damping of it); none, then six."""
GAMMAS = (0.0, 0.05, 0.2, 0.5)
"""Shares of 1 - alpha that the season learns by."""
LONGEST = 2000
"""Steps of history that are looked at."""
LONGEST_SEASON = 200
RESIDUALS, LEAST_RESIDUALS = 500, 40
"""The latest errors, which sample paths add: those of the latter half, within these bounds, as the
size of errors changes.
"""
GROUP = 16
"""Series that are smoothed together."""
STREAM = 1
"""Of random numbers; the network draws from another one."""
LEAST_SKIPPED = 10


def seasons(freq: str, length: int) -> list[int]:
    """The seasons that may be smoothed, in steps; 1 for none."""
    length = min(length, LONGEST)
    return [1] + [
        season
        for season in frequency.seasons(freq)
        if 1 < season <= LONGEST_SEASON and 2 * season < length
    ]


@dataclass(frozen=True, eq=False)
class HoltWinters:
    """N series at their ends, with one season.

    Attributes:
        season: in steps.
        alpha, beta, gamma, phi: parameters, (N,).
        level, trend: (N,).
        profile: of the season, (N, season); the first belongs to the next step.
        errors: of one step, (N, T), NaN where none was measured.
        loss: mean squared error of one step, (N,), in a unit of each series' own.
    """

    season: int
    alpha: Array
    beta: Array
    gamma: Array
    phi: Array
    level: Array
    trend: Array
    profile: Array
    errors: Array
    loss: Array

    @classmethod
    def of(cls, targets: Sequence[Array], season: int, skip: int) -> HoltWinters:
        """Fitted to series of any lengths; missing values are filled, and count as no errors.

        Args:
            skip: steps at the beginning, at most a third, whose errors do not count.
        """
        length = min(max(map(len, targets)), LONGEST)
        count = len(targets)
        values, is_observed = np.zeros((count, length)), np.zeros((count, length), bool)
        for row, target in enumerate(targets):
            recent = target[-length:]
            values[row, length - len(recent) :], is_observed[row, length - len(recent) :] = filled(
                recent, season
            )
        start = length - np.array([min(len(target), length) for target in targets])
        largest = np.abs(values).max(1, initial=0.0)
        unit = power_of_two(np.where(largest > 0, largest, 1.0))
        return cls._fitted(values / unit[:, None], is_observed, start, season, skip)._times(unit)

    @classmethod
    def _fitted(
        cls,
        values: Array,
        is_observed: NDArray[np.bool_],
        start: NDArray[np.int64],
        season: int,
        skip: int,
    ) -> HoltWinters:
        alpha, beta, gamma, phi = _grid(season)
        count, length = values.shape
        level, trend, profile = _initial(values, start, season)
        shape = (count, len(alpha))
        levels = np.broadcast_to(level[:, None], shape).copy()
        trends = np.where(phi > 0, trend[:, None], 0.0)
        profiles = np.broadcast_to(profile[:, :, None], (count, season, len(alpha))).copy()
        errors = np.zeros((length, *shape))
        for step in range(length):
            at = step % season
            is_inside = (step >= start)[:, None]
            damped = phi * trends
            forecast = levels + damped
            error = np.where(
                is_observed[:, step, None], values[:, step, None] - forecast - profiles[:, at], 0.0
            )
            errors[step] = error
            levels = np.where(is_inside, forecast + alpha * error, levels)
            trends = np.where(is_inside, damped + beta * error, trends)
            profiles[:, at] += gamma * error
        # The first steps have their errors from the beginning, not from the parameters.
        is_usual = np.arange(length)[:, None] >= start + np.minimum(skip, (length - start) // 3)
        is_measured = is_usual & is_observed.T
        loss = np.einsum("tnk,tnk,tn->nk", errors, errors, is_measured.astype(float))
        best = loss.argmin(1)
        rows = np.arange(count)
        latest = np.maximum((length - start) // 2, LEAST_RESIDUALS)
        is_latest = np.arange(length) >= (length - latest)[:, None]
        chosen = np.where(is_measured.T & is_latest, errors[:, rows, best].T, np.nan)
        order = (length + np.arange(season)) % season
        return cls(
            season,
            alpha[best],
            beta[best],
            gamma[best],
            phi[best],
            levels[rows, best],
            trends[rows, best],
            profiles[rows, :, best][:, order],
            chosen[:, -RESIDUALS:],
            loss[rows, best] / np.maximum(is_measured.sum(0), 1),
        )

    def _times(self, unit: Array) -> HoltWinters:
        parameters = (self.season, self.alpha, self.beta, self.gamma, self.phi)
        columns = unit[:, None]
        return HoltWinters(
            *parameters,
            self.level * unit,
            self.trend * unit,
            self.profile * columns,
            self.errors * columns,
            self.loss,
        )

    def paths(
        self, row: int, horizon: int, samples: int, random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Sample paths of one series, float64 (samples, horizon): each error is one of the past."""
        errors = self.errors[row][np.isfinite(self.errors[row])]
        if not len(errors):
            errors = np.zeros(1)
        chosen = random.choice(errors, (horizon, samples))
        alpha, beta, gamma, phi = (
            float(parameter[row]) for parameter in (self.alpha, self.beta, self.gamma, self.phi)
        )
        level, trend = np.full(samples, self.level[row]), np.full(samples, self.trend[row])
        profile = np.repeat(self.profile[row][:, None], samples, 1)
        paths = np.empty((samples, horizon))
        for step in range(horizon):
            at = step % self.season
            error, damped = chosen[step], phi * trend
            paths[:, step] = level + damped + profile[at] + error
            level, trend = level + damped + alpha * error, damped + beta * error
            profile[at] += gamma * error
        return paths


def _grid(season: int) -> tuple[Array, Array, Array, Array]:
    """All parameters (alpha, beta, gamma, phi), (K,) each."""
    rows = [
        (alpha, alpha * share, gamma * (1 - alpha), phi)
        for alpha in ALPHAS
        for share, phi in TRENDS
        for gamma in (GAMMAS if season > 1 else GAMMAS[:1])
    ]
    alpha, beta, gamma, phi = np.array(rows).T
    return alpha, beta, gamma, phi


def _initial(values: Array, start: NDArray[np.int64], season: int) -> tuple[Array, Array, Array]:
    """Level and trend before the first step, (N,), and the profile by step modulo the season."""
    count = len(values)
    level, trend, profile = np.empty(count), np.empty(count), np.zeros((count, season))
    for row, first in enumerate(start):
        inside = values[row, first:]
        cycles = min(len(inside) // season, 3)
        if season > 1 and cycles > 1:
            whole = inside[: cycles * season].reshape(cycles, season)
            means = whole.mean(1)
            trend[row] = (means[-1] - means[0]) / ((cycles - 1) * season)
            level[row] = means[0] - trend[row] * (season + 1) / 2
            steps = np.arange(season) - (season - 1) / 2
            by_step = (whole - means[:, None]).mean(0) - trend[row] * steps
            profile[row] = np.roll(by_step, first % season)
        else:
            some = min(len(inside), 10)
            trend[row] = (inside[some - 1] - inside[0]) / max(some - 1, 1)
            level[row] = inside[0] - trend[row]
    return level, trend, profile


def sample(
    targets: Sequence[Array],
    freq: str,
    horizon: int,
    samples: int,
    seeds: Sequence[Sequence[int]],
) -> list[Array]:
    """Sample paths of each series, float64 (samples, horizon).

    Args:
        targets: pasts, float64 (T,) each, NaN where nothing was observed.
        freq: of the series.
        horizon, samples: steps of a path, and paths.
        seeds: one of each series.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, target in enumerate(targets):
        size = 1 << (min(len(target), LONGEST) - 1).bit_length()
        groups.setdefault((size, *seasons(freq, len(target))), []).append(index)
    paths: list[Array] = [np.empty(0)] * len(targets)
    for (_, *candidates), indices in groups.items():
        for first in range(0, len(indices), GROUP):
            part = indices[first : first + GROUP]
            skip = max(2 * max(candidates), LEAST_SKIPPED)
            pasts = [targets[index] for index in part]
            fits = [HoltWinters.of(pasts, season, skip) for season in candidates]
            for row, index in enumerate(part):
                best = min(fits, key=lambda fit: fit.loss[row])
                random = np.random.default_rng((*seeds[index], STREAM))
                paths[index] = best.paths(row, horizon, samples, random)
    return paths
