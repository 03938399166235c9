"""Forecasts of a network and of exponential smoothing as one, and intervals that cover what they say.

Quantiles of both are averaged at each step (Lichtendahl, Grushka-Cockayne and Winkler 2013), which
is better than either where their errors differ. Which path is high and which is low stays as the
network has it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from warmstart.series import smoothing_fit
from warmstart.series.features import Recipe
from warmstart.series.time_series import TimeSeries


def pooled(
    paths: NDArray[np.float64], others: NDArray[np.float64], weight: float
) -> NDArray[np.float64]:
    """Sample paths whose quantiles are averages of those of two forecasts, (S, horizon) each.

    Args:
        weight: of `others`, from 0 to 1.
    """
    ranks = paths.argsort(0, kind="stable").argsort(0, kind="stable")
    ordered: NDArray[np.float64] = np.take_along_axis(np.sort(others, 0), ranks, 0)
    return (1 - weight) * paths + weight * ordered


def widened(paths: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Sample paths (S, horizon) with all distances from the median times a factor."""
    median = np.median(paths, 0, keepdims=True)
    return np.asarray(median + factor * (paths - median))


def calibrated(
    paths: NDArray[np.float64],
    recipe: Recipe,
    series: Sequence[TimeSeries],
    seeds: Sequence[Sequence[int]],
    *,
    counts: bool = False,
) -> NDArray[np.float64]:
    """The network's sample paths (N, S, horizon) as the recipe wants them: pooled and widened.

    Args:
        recipe: its `pooled` is the weight of exponential smoothing, its `spread` the factor.
        series: N pasts, as the network sees them.
        seeds: one of each series.
        counts: whether values are whole and not negative.
    """
    if not recipe.pooled and recipe.spread == 1:
        return paths
    result = np.empty_like(paths)
    _, samples, horizon = paths.shape
    others: Sequence[NDArray[np.float64]] = list(paths)
    if recipe.pooled:
        targets = [item.target for item in series]
        others = smoothing_fit.sample_seasonal(targets, recipe.freq, horizon, samples, seeds)
    for row, (path, other) in enumerate(zip(paths, others, strict=True)):
        both = pooled(path, other, recipe.pooled) if recipe.pooled else path
        result[row] = widened(both, recipe.spread)
    return np.maximum(np.rint(result), 0) if counts else result
