"""Forecasts next to baselines on the same windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from warmstart.series import baselines, frequency
from warmstart.series.metrics import LEVELS, Scores, quantiles_of, seasonal_naive
from warmstart.series.results import Forecast

SAMPLES = 200


class Best(NamedTuple):
    """The best baseline: its name and its mean_wQL."""

    name: str
    loss: float


def best(figures: Mapping[str, Mapping[str, float]]) -> Best | None:
    """The baseline with the lowest loss; None if there is none."""
    losses = [Best(name, values["mean_wQL"]) for name, values in figures.items()]
    losses = [item for item in losses if np.isfinite(item.loss)]
    return min(losses, key=lambda item: item.loss, default=None)


class Comparison:
    """Collects windows.

    Args:
        freq: of the series.
        season: for MASE and the point forecast of `naive`; default: that of the frequency.

    Attributes:
        model: scores of the forecasts.
        naive: scores of the last season as a point.
    """

    def __init__(self, freq: str, season: int | None = None):
        self.freq, self.season = freq, season or frequency.season(freq)
        self.model, self.naive = Scores(self.season), Scores(self.season)
        self._others: dict[str, Scores] = {}
        self._count = 0

    def add(self, actual: NDArray[np.float64], forecast: Forecast) -> None:
        """Add one window.

        Args:
            actual: float64 (H,), NaN where unknown.
            forecast: of these steps.
        """
        past, horizon = forecast.series.target, len(actual)
        self.model.add(actual, past, forecast.quantile, forecast.samples)
        point = seasonal_naive(past, self.season, horizon)
        self.naive.add(actual, past, dict.fromkeys(LEVELS, point).__getitem__, point[None])
        if not self._count:
            self._baselines = baselines.of(self.freq, len(past))
        random = np.random.default_rng((0, self._count))
        for baseline in self._baselines:
            samples = baseline.samples(past, horizon, SAMPLES, random)
            scores = self._others.setdefault(baseline.name, Scores(self.season))
            scores.add(actual, past, quantiles_of(samples), samples)
        self._count += 1

    def baselines(self) -> dict[str, dict[str, float]]:
        """Metrics of each baseline by its name."""
        return {name: scores.result() for name, scores in self._others.items()}
