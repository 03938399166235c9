"""One network for series of any frequency: its inputs have the same meaning for all of them.

Seasons are removed (`adjustment`), values are relative to the level and the variation of the
context (`scaling`), lagged values are those of the last steps and of one season ago, however long
a season is, and a few numbers describe the series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from warmstart.series import frequency, smoothing_fit
from warmstart.series.adjustment import Adjustment
from warmstart.series.features import Recipe, filled
from warmstart.series.scaling import Scaling
from warmstart.series.time_series import TimeSeries

NEAR = 12
"""The number of last steps that are inputs of the network."""
LONGEST_LAG = 1500
NO_SEASON = (16, 24, 32, 48)
"""Lags of series without a season, instead of those of the seasons."""
STEPS = 500
"""The number of past steps from which the numbers that describe a series are computed."""
FAR = 48
"""The number of steps ahead that the network distinguishes; later ones get the same input."""
SHORTEST = 4
"""Minimum number of steps of a series that the network can forecast."""
OFTEN = 0.05
"""Share of steps at the lowest value above which that value is a floor, like zero for counts."""
USUAL = ("h", "MS", "D", "QS", "B")
"""Frequencies whose seasons are tried if a series has no timestamps."""
SURE, CLEARLY = 0.5, 0.9
"""The error of a series' own seasons below which no others are tried, and the upper limit of the
error of others, relative to that of its own.
"""
INPUTS = ("ahead", "season", "error", "optimism", "roughness", "memory", "trend", "ties", "floor")
"""The numbers that describe a series; see `described`."""


def lags(freq: str) -> tuple[int, ...]:
    """The lags of a frequency: the same number for each frequency; a lag may occur twice."""
    seasons = [season for season in frequency.seasons(freq) if season <= LONGEST_LAG][-2:]
    if not seasons:
        return (*range(1, NEAR + 1), *NO_SEASON)
    short, long = seasons[0], seasons[-1]
    last = long if long > short else 3 * short
    return (*range(1, NEAR + 1), short, short + 1, 2 * short, last)


def recipe_of(recipe: Recipe, freq: str) -> Recipe:
    """The recipe for series of a frequency."""
    return replace(recipe, freq=freq, lags=lags(freq))


def with_frequency(series: TimeSeries) -> TimeSeries:
    """A series whose frequency fits its seasons: its own, or, without timestamps, the one whose
    seasons fit the past best.
    """
    if series.dated:
        return series
    own = Adjustment.of(series.target, series.freq).error
    if own < SURE:
        return series
    others = [freq for freq in USUAL if freq != series.freq]
    errors = [Adjustment.of(series.target, freq).error for freq in others]
    best = int(np.argmin(errors))
    return replace(series, freq=others[best]) if errors[best] < CLEARLY * own else series


def prepared(series: TimeSeries, horizon: int) -> tuple[TimeSeries, Adjustment]:
    """A series as the network sees it: without its seasons, with `INPUTS` as known covariates."""
    adjustment = Adjustment.of(series.target, series.freq)
    target = adjustment.removed(series.target)
    steps = len(target) + horizon
    numbers = described(series, adjustment)
    known = {name: np.broadcast_to(value, (steps,)) for name, value in numbers.items()}
    ahead = np.clip(np.arange(1, steps + 1) - len(target), 0, FAR)
    known["ahead"] = np.log1p(ahead) / np.log1p(FAR)
    return replace(series, target=target, known=known), adjustment


def smoothed(
    prepared_series: Sequence[TimeSeries],
    scaling: Scaling,
    horizon: int,
    count: int,
    seeds: Sequence[Sequence[int]],
) -> NDArray[np.float64]:
    """Sample paths of exponential smoothing, (N, count, horizon).

    Args:
        prepared_series, scaling: the series as the network sees them, and their scaling.
    """
    scaled = []
    for row, series in enumerate(prepared_series):
        values = filled(series.target, 1)[0][-smoothing_fit.LONGEST_ADJUSTED :]
        row_scaling = scaling.rows(slice(row, row + 1))
        scaled.append(row_scaling.scaled(values[None])[0].astype(np.float64))
    paths = [
        smoother.paths(horizon, count, np.random.default_rng([*seed, 1]))
        for smoother, seed in zip(smoothing_fit.fit_adjusted(scaled, horizon), seeds, strict=True)
    ]
    return scaling.in_units(np.stack(paths).astype(np.float32))


def mixed(
    paths: NDArray[np.float64], others: NDArray[np.float64], seeds: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Both sets of sample paths, (N, S, horizon), those of each series in random order."""
    both = np.concatenate([paths, others], 1)
    rows = [
        np.random.default_rng([*seed, 2]).permutation(row)
        for seed, row in zip(seeds, both, strict=True)
    ]
    return np.stack(rows)


def above_floor(samples: NDArray[np.float64], series: TimeSeries) -> NDArray[np.float64]:
    """Sample paths (S, horizon), not below the minimum of a series that is often at its minimum."""
    observed = series.target[np.isfinite(series.target)]
    lowest = observed.min()
    is_floor = (observed == lowest).mean() > OFTEN and len(observed) * OFTEN >= 1
    return np.maximum(samples, lowest) if is_floor else samples


def described(series: TimeSeries, adjustment: Adjustment) -> dict[str, float]:
    """Numbers that describe a series, about -1 to 1 each, whatever its units.

    season: logarithm of the steps of the longest season that was taken off.
    error, optimism: of the seasons; see `adjustment.Season`.
    roughness: logarithm of the mean change over a step, as a share of the mean deviation.
    memory, trend: logarithm of how much larger changes over 4 and over 16 steps are.
    ties, floor: shares of steps without a change, and at the lowest value.
    """
    raw = filled(series.target, 1)[0][-STEPS:]
    values = adjustment.removed(filled(series.target, 1)[0])[-STEPS:]
    values = values / (np.abs(values).max() or 1.0)
    deviation = float(np.abs(values - np.median(values)).mean())
    changes = [_change(values, gap) for gap in (1, 4, 16)]
    lengths = [len(season) for season in adjustment.seasons]
    return {
        "season": np.log(max(lengths, default=1)) / 5,
        "error": adjustment.error - 0.5,
        "optimism": _clipped(max((s.optimism for s in adjustment.seasons), default=1.0), 1.0),
        "roughness": _clipped(_ratio(changes[0], deviation), 2.0),
        "memory": _clipped(_ratio(changes[1], changes[0]), 2.0),
        "trend": _clipped(_ratio(changes[2], changes[0]), 2.0),
        "ties": float((raw[1:] == raw[:-1]).mean()) if len(raw) > 1 else 0.0,
        "floor": float((raw == raw.min()).mean()),
    }


def _change(values: NDArray[np.float64], gap: int) -> float:
    """Mean absolute change over some steps."""
    gap = min(gap, len(values) - 1)
    return float(np.abs(values[gap:] - values[: len(values) - gap]).mean()) if gap else 0.0


def _ratio(upper: float, lower: float) -> float:
    """1 where it is unknown."""
    return upper / lower if upper > 0 and lower > 0 else 1.0


def _clipped(ratio: float, bound: float) -> float:
    """Half the logarithm, from -bound to bound."""
    return float(np.clip(np.log(ratio) / 2, -bound, bound))
