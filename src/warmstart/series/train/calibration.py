"""Calibration of a trained network's forecasts on windows that it did not see: the weight of
exponential smoothing in them, and the width of their intervals.

One window shows little. The weight then follows mostly from the amount of training data, and the
width from the errors of exponential smoothing in earlier windows, which need no training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry
from warmstart.core.cancellation import drive
from warmstart.engines.base import Engine
from warmstart.engines.keras import KerasEngine
from warmstart.series import smoothing_fit
from warmstart.series.deepar import DeepAR
from warmstart.series.features import Recipe
from warmstart.series.forecasting import Forecaster
from warmstart.series.metrics import LEVELS
from warmstart.series.pooling import pooled
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.recipe import can_learn
from warmstart.series.train.validation_windows import windows_before, without_windows

Array = NDArray[np.float64]

FEW = 4
"""The number of windows that have the same weight as the prior."""
ENOUGH = 16
"""The number of training windows with which the prior weight of a network is one half."""
LEAST_WEIGHT = 0.05
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
WIDEST = 4.0
PAST_WINDOWS, PAST_SERIES = 8, 20
"""Windows and series that exponential smoothing is measured on."""
SAMPLES = 100


@dataclass(frozen=True, eq=False)
class Window:
    """One window that was forecast.

    Attributes:
        actual: the observed values, (H,), NaN if unknown.
        paths: sample paths of the network, (S, H).
        others: sample paths of exponential smoothing, (S, H).
    """

    actual: Array
    paths: Array
    others: Array


def calibrated(
    entry: Entry,
    network: keras.Model,
    series: Sequence[TimeSeries],
    windows: int,
    *,
    is_pretrained: bool,
) -> Recipe:
    """The recipe with the weight of exponential smoothing and the spread of intervals that suit
    the windows, or with the baseline instead of a network that had too little training data.

    Args:
        windows: number of windows of each series that were set aside; 0 for none.
    """
    recipe = Recipe.from_dict(entry.processing)
    horizon = recipe.horizon
    trained = [without_windows(item, horizon, windows) if windows else item for item in series]
    if not recipe.universal and not can_learn(
        recipe.freq, max(map(len, trained)), sum(map(len, series))
    ):
        return replace(recipe, baseline=True)
    measured = []
    if windows:
        engine = KerasEngine(Forecaster.program(entry, network))
        measured = windows_of(DeepAR(entry), engine, series, windows)
    weight = weight_of(measured, prior_weight(recipe, trained, is_pretrained))
    past = past_spread(series, recipe.freq, horizon, weight)
    return replace(recipe, pooled=weight, spread=spread_of(measured, weight, past))


def prior_weight(recipe: Recipe, series: Sequence[TimeSeries], is_pretrained: bool) -> float:
    """The weight of exponential smoothing before anything is measured: the less training data the
    network has, the higher.
    """
    if recipe.universal:  # its samples are mixed with those of smoothing already
        return 0.0
    if recipe.known and not recipe.effects:  # smoothing does not see covariates
        return 0.0
    windows = sum(map(len, series)) / (recipe.context + recipe.horizon)
    windows += FEW * ENOUGH if is_pretrained else 0
    return ENOUGH / (windows + ENOUGH)


def weight_of(windows: Sequence[Window], prior: float) -> float:
    """The weight of exponential smoothing: the best one on the windows, shrunk towards the prior;
    the fewer windows, the more.
    """
    if not prior:
        return 0.0
    best = prior
    if windows:
        losses = [sum(_loss(window, weight) for window in windows) for weight in WEIGHTS]
        best = WEIGHTS[int(np.argmin(losses))]
    count = len(windows)
    weight = (count * best + FEW * prior) / (count + FEW)
    return 0.0 if weight < LEAST_WEIGHT else round(weight, 2)


def spread_of(windows: Sequence[Window], weight: float, prior: float) -> float:
    """The factor of distances from the median with which the 80 % interval covers 80 %: the 80 %
    quantile of the distances of actual values, relative to the bound of the interval (split
    conformal prediction). It is shrunk towards the prior; the fewer windows, the more.
    """
    distances = [
        _distances(window.actual, pooled(window.paths, window.others, weight)) for window in windows
    ]
    factor, count = _factor(distances), len(windows)
    if factor is None:
        return prior
    logs = (count * np.log(factor) + FEW * np.log(prior)) / (count + FEW)
    return round(float(np.exp(logs)), 4)


def past_spread(series: Sequence[TimeSeries], freq: str, horizon: int, weight: float) -> float:
    """The factor that exponential smoothing would have needed in earlier windows, to the power of
    its weight.
    """
    if not weight:
        return 1.0
    chosen = np.unique(np.linspace(0, len(series) - 1, PAST_SERIES).round().astype(int))
    pasts, actual = [], []
    for index in chosen:
        target = series[index].target
        for window in range(1, PAST_WINDOWS + 1):
            origin = len(target) - window * horizon
            if origin < len(target) / 2 or not np.isfinite(target[:origin]).any():
                break
            pasts.append(target[:origin])
            actual.append(target[origin : origin + horizon])
    if not pasts:
        return 1.0
    seeds = [(0, index) for index in range(len(pasts))]
    paths = smoothing_fit.sample_seasonal(pasts, freq, horizon, SAMPLES, seeds)
    factor = _factor([_distances(a, p) for a, p in zip(actual, paths, strict=True)])
    count = len(pasts)
    return float(np.exp(weight * np.log(factor or 1.0) * count / (count + FEW)))


def windows_of(
    forecaster: DeepAR,
    engine: Engine,
    series: Sequence[TimeSeries],
    windows: int,
) -> list[Window]:
    """The windows that are set aside, each forecast from its past.

    Args:
        forecaster: with a recipe that neither pools nor widens.
    """
    recipe = forecaster.recipe
    horizon = recipe.horizon
    pasts, actual = windows_before(series, horizon, windows)
    seeds = [(0, index) for index in range(len(pasts))]
    paths: list[Array] = []
    size = forecaster.batch_size(SAMPLES)
    for first in range(0, len(pasts), size):
        part = slice(first, first + size)
        steps = forecaster.forecast(engine, pasts[part], horizon, SAMPLES, seeds[part], False)
        paths += [outputs["samples"] for outputs in drive(steps)]
    effects = [forecaster.effects(past) for past in pasts]
    targets = [
        (effect.removed(past) if effect else past).target
        for effect, past in zip(effects, pasts, strict=True)
    ]
    others = smoothing_fit.sample_seasonal(targets, recipe.freq, horizon, SAMPLES, seeds)
    for index, effect in enumerate(effects):
        if effect:
            others[index] = effect.added(others[index], pasts[index])
    return [Window(*row) for row in zip(actual, paths, others, strict=True)]


def _loss(window: Window, weight: float) -> float:
    """Sum of the quantile losses."""
    known = np.isfinite(window.actual)
    actual = window.actual[known]
    levels = np.array(LEVELS)[:, None]
    paths = pooled(window.paths, window.others, weight)[:, known]
    quantiles = np.quantile(paths, LEVELS, axis=0)
    return float(np.abs((quantiles - actual) * ((actual <= quantiles) - levels)).sum())


def _distances(actual: Array, paths: Array) -> Array:
    """The distances of actual values from the median, relative to that of the bound of the 80 %
    interval on the same side.
    """
    low, middle, high = np.quantile(paths, (0.1, 0.5, 0.9), axis=0)[:, : len(actual)]
    half = np.where(actual >= middle, high - middle, middle - low)
    is_usable = np.isfinite(actual) & (half > 0)
    return np.asarray(np.abs(actual - middle)[is_usable] / half[is_usable])


def _factor(distances: Sequence[Array]) -> float | None:
    """The 80 % quantile of distances, corrected for their number; None if there are none. Distances
    of one window are correlated, so n of them count as the square root of n.
    """
    values = np.concatenate([*distances, np.empty(0)])
    if not len(values):
        return None
    count = sum(np.sqrt(len(window)) for window in distances)
    level = min(0.8 * (1 + 1 / count), 1.0)
    return float(np.clip(np.quantile(values, level), 1 / WIDEST, WIDEST))
