"""Fit exponential smoothing: choose the parameters of a grid with the smallest past errors.

`sample_seasonal` takes raw series, and chooses the season and the parameters with the smallest
squared one-step errors. `fit_adjusted` takes seasonally adjusted series, and chooses by the errors
at several horizons, to which it also fits the width of the sample paths. Both are equivariant under
y -> a y + b.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from warmstart.series import frequency
from warmstart.series.features import filled
from warmstart.series.scaling import power_of_two
from warmstart.series.smoothing import Array, Parameters, Smoother, reach, smoothed

LONGEST_SEASONAL, LONGEST_ADJUSTED = 2000, 600
"""Steps of history that a fit uses."""
LONGEST_SEASON = 200
GROUP_SEASONAL, GROUP_ADJUSTED = 16, 64
"""Number of series that are smoothed together, which take at most 33 MB."""
RESIDUALS, LEAST_RESIDUALS = 500, 40
"""Bounds on the number of recent errors for sample paths. Those of the second half of a series are
used, because the size of errors changes.
"""
LEAST_SKIPPED = 10
"""Minimum number of initial steps whose errors are ignored; two seasons if that is more."""
STREAM = 1
"""Number of the random stream; the network uses another one."""
WARM_UP = 0.2
"""Share of initial steps of adjusted series whose errors are ignored."""
HORIZONS = (1, 2, 4, 7, 12, 20, 32, 48)
"""Horizons whose errors choose the parameters of adjusted series."""
OUTLIER = 5.0
"""Errors above this multiple of the median error are clipped: 3.4 standard deviations of a normal
distribution.
"""
COMPLEXITY = 1.02
"""Factor by which a trend must be better than none."""


def _seasonal_parameters(season: int) -> Parameters:
    alphas = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 0.999)
    # (beta as a share of alpha, phi)
    trends = (
        (0.0, 0.0),
        (0.02, 0.98),
        (0.02, 1.0),
        (0.1, 0.9),
        (0.1, 0.98),
        (0.1, 1.0),
        (0.3, 0.9),
    )
    gammas = (0.0, 0.05, 0.2, 0.5) if season > 1 else (0.0,)  # as shares of 1 - alpha
    rows = [
        (alpha, alpha * share, gamma * (1 - alpha), phi)
        for alpha, (share, phi), gamma in product(alphas, trends, gammas)
    ]
    return Parameters(*np.array(rows).T)


def _adjusted_parameters() -> Parameters:
    alphas = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
    trends = ((0.0, 0.0), (0.1, 0.8), (0.1, 0.9), (0.05, 0.98), (0.2, 0.98), (0.02, 1.0))
    rows = [(alpha, alpha * share, 0.0, phi) for alpha, (share, phi) in product(alphas, trends)]
    return Parameters(*np.array(rows).T)


ADJUSTED = _adjusted_parameters()


# Series as they are.


def seasons_of(freq: str, length: int) -> list[int]:
    """The seasons that a series of a frequency may have, in steps; 1 for none."""
    length = min(length, LONGEST_SEASONAL)
    return [1] + [
        season
        for season in frequency.seasons(freq)
        if 1 < season <= LONGEST_SEASON and 2 * season < length
    ]


def sample_seasonal(
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
        size = 1 << (min(len(target), LONGEST_SEASONAL) - 1).bit_length()
        groups.setdefault((size, *seasons_of(freq, len(target))), []).append(index)
    paths: list[Array] = [np.empty(0)] * len(targets)
    for (_, *seasons), indices in groups.items():
        for first in range(0, len(indices), GROUP_SEASONAL):
            part = indices[first : first + GROUP_SEASONAL]
            skip = max(2 * max(seasons), LEAST_SKIPPED)
            pasts = [targets[index] for index in part]
            fits = [_fit_seasonal(pasts, season, skip) for season in seasons]
            for index, *candidates in zip(part, *fits, strict=True):
                best = min(candidates, key=lambda smoother: smoother.loss)
                random = np.random.default_rng((*seeds[index], STREAM))
                paths[index] = best.paths(horizon, samples, random)
    return paths


def _fit_seasonal(targets: Sequence[Array], season: int, skip: int) -> list[Smoother]:
    """Smoothers fitted to series of any lengths; missing values are filled, and have no error.

    Args:
        skip: initial steps whose errors are ignored, at most a third.
    """
    length = min(max(map(len, targets)), LONGEST_SEASONAL)
    values, is_observed = np.zeros((len(targets), length)), np.zeros((len(targets), length), bool)
    starts = length - np.array([min(len(target), length) for target in targets])
    for row, (target, start) in enumerate(zip(targets, starts, strict=True)):
        values[row, start:], is_observed[row, start:] = filled(target[-length:], season)
    largest = np.abs(values).max(1, initial=0.0)
    units = power_of_two(np.where(largest > 0, largest, 1.0))
    values /= units[:, None]
    parameters = _seasonal_parameters(season)
    level, trend, profile = _initial(values, starts, season)
    shape = (len(targets), len(parameters.alpha))
    levels = np.broadcast_to(level[:, None], shape)
    trends = np.where(parameters.phi > 0, trend[:, None], 0.0)
    profiles = np.repeat(profile[:, :, None], shape[1], 2)
    errors = np.zeros((length, *shape))
    steps = smoothed(values, is_observed, starts, levels, trends, profiles, parameters)
    for step, (error, last_levels, last_trends) in enumerate(steps):
        errors[step], levels, trends = error, last_levels, last_trends
    # The errors of the first steps come from the initial state, not from the parameters.
    is_usual = np.arange(length)[:, None] >= starts + np.minimum(skip, (length - starts) // 3)
    is_measured = is_usual & is_observed.T
    loss = np.einsum("tnk,tnk,tn->nk", errors, errors, is_measured.astype(float))
    order = (length + np.arange(season)) % season
    latest = length - np.maximum((length - starts) // 2, LEAST_RESIDUALS)
    smoothers = []
    for row, (best, unit) in enumerate(zip(loss.argmin(1), units, strict=True)):
        first = max(latest[row], length - RESIDUALS, 0)
        own = errors[first:, row, best][is_measured[first:, row]]
        smoother = Smoother(
            _chosen(parameters, best),
            float(levels[row, best] * unit),
            float(trends[row, best] * unit),
            profiles[row, order, best] * unit,
            own * unit if len(own) else np.zeros(1),
            float(loss[row, best] / max(is_measured[:, row].sum(), 1)),
        )
        smoothers.append(smoother)
    return smoothers


def _initial(values: Array, starts: NDArray[np.int64], season: int) -> tuple[Array, Array, Array]:
    """Level and trend before the first step, (N,), and the profile by step modulo the season."""
    count = len(values)
    level, trend, profile = np.empty(count), np.empty(count), np.zeros((count, season))
    for row, start in enumerate(starts):
        inside = values[row, start:]
        cycles = min(len(inside) // season, 3)
        if season > 1 and cycles > 1:
            whole = inside[: cycles * season].reshape(cycles, season)
            means = whole.mean(1)
            trend[row] = (means[-1] - means[0]) / ((cycles - 1) * season)
            level[row] = means[0] - trend[row] * (season + 1) / 2
            steps = np.arange(season) - (season - 1) / 2
            by_step = (whole - means[:, None]).mean(0) - trend[row] * steps
            profile[row] = np.roll(by_step, start % season)
        else:
            some = min(len(inside), 10)
            trend[row] = (inside[some - 1] - inside[0]) / max(some - 1, 1)
            level[row] = inside[0] - trend[row]
    return level, trend, profile


def _chosen(parameters: Parameters, index: np.intp) -> tuple[float, float, float, float]:
    alpha, beta, gamma, phi = (float(column[index]) for column in parameters)
    return alpha, beta, gamma, phi


# Series without seasons.


def fit_adjusted(rows: Sequence[Array], horizon: int) -> list[Smoother]:
    """Smoothers fitted to series (T,) without missing values, for forecasts of `horizon` steps."""
    smoothers: list[Smoother] = []
    for first in range(0, len(rows), GROUP_ADJUSTED):
        some = [values[-LONGEST_ADJUSTED:] for values in rows[first : first + GROUP_ADJUSTED]]
        levels, trends = _states(some)
        smoothers += [
            _best(values, levels[-len(values) :, row], trends[-len(values) :, row], horizon)
            for row, values in enumerate(some)
        ]
    return smoothers


def _states(rows: Sequence[Array]) -> tuple[Array, Array]:
    """Levels and trends after each step, (T, N, K) each; shorter series are aligned to the end."""
    length, shape = max(map(len, rows)), (len(rows), len(ADJUSTED.alpha))
    starts = length - np.array([len(series) for series in rows])
    values = np.zeros((len(rows), length))
    for row, series in enumerate(rows):
        values[row, starts[row] :] = series
    is_inside = np.arange(length) >= starts[:, None]
    first = [np.median(series[: max(len(series) // 10, 1)]) for series in rows]
    start_levels = np.broadcast_to(np.array(first)[:, None], shape)
    steps = smoothed(
        values,
        is_inside,
        starts,
        start_levels,
        np.zeros(shape),
        np.zeros((len(rows), 1, 1)),
        ADJUSTED,
    )
    levels, trends = np.empty((2, length, *shape))
    for step, (_, level, trend) in enumerate(steps):
        levels[step], trends[step] = level, trend
    return levels, trends


def _best(values: Array, levels: Array, trends: Array, horizon: int) -> Smoother:
    """The smoother with the best forecasts of one series."""
    first = min(max(int(len(values) * WARM_UP), 1), len(values) - 2)
    errors: dict[int, Array] = {}
    for ahead in HORIZONS:
        if ahead > 1 and (ahead > horizon or len(values) - first < 2 * ahead):
            break
        forecasts = (levels + reach(ahead, ADJUSTED.phi) * trends)[first:-ahead]
        errors[ahead] = values[first + ahead :, None] - forecasts
    losses = np.stack([np.abs(rows).mean(0) for rows in errors.values()])
    lowest = np.maximum(losses.min(1, keepdims=True), np.finfo(float).tiny)
    loss = (losses / lowest).mean(0) * np.where(ADJUSTED.beta > 0, COMPLEXITY, 1.0)
    best = loss.argmin()
    usual = {ahead: _winsorized(rows[:, best]) for ahead, rows in errors.items()}
    return Smoother(
        _chosen(ADJUSTED, best),
        float(levels[-1, best]),
        float(trends[-1, best]),
        np.zeros(1),
        usual[1],
        spread={
            ahead: (float(np.abs(rows).mean()), len(rows) // ahead) for ahead, rows in usual.items()
        },
    )


def _winsorized(errors: Array) -> Array:
    """Clip outliers: one level shift must not widen all later forecasts."""
    bound = OUTLIER * float(np.median(np.abs(errors)))
    return np.clip(errors, -bound, bound) if bound > 0 else errors
