"""Baselines: seasonal naive, the last value, and drift, with intervals.

The intervals are derived from the errors that the baselines would have made in the past: sample
paths add sampled errors, one for each season up to the forecast step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warmstart.series import frequency
from warmstart.series.features import filled


@dataclass(frozen=True)
class SeasonalNaive:
    """A forecast that repeats the values of one season ago.

    Attributes:
        season: in steps; 1 is the last value.
    """

    season: int

    @property
    def name(self) -> str:
        return f"seasonal naive of {self.season} steps" if self.season > 1 else "last value"

    def point(self, target: NDArray[np.float64], horizon: int) -> NDArray[np.float64]:
        """The point forecast, float64 (horizon,); see `samples`."""
        values = filled(target, self.season)[0]
        last = values[-self.season :] if len(values) >= self.season else values[-1:]
        return np.resize(last, horizon)

    def samples(
        self, target: NDArray[np.float64], horizon: int, count: int, random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Sample paths, float64 (count, horizon).

        Args:
            target: the past, float64 (T,), NaN where nothing was observed.
        """
        season = self.season if len(target) > self.season else 1
        errors = target[season:] - target[:-season]
        errors = errors[np.isfinite(errors)]
        point = self.point(target, horizon)
        if not len(errors):
            return np.tile(point, (count, 1))
        ahead = np.arange(horizon) // season
        size = int(ahead[-1]) + 1 if horizon else 0
        changes = random.choice(errors - errors.mean(), (count, size, min(season, horizon)))
        sums: NDArray[np.float64] = changes.cumsum(1).reshape(count, -1)
        # One number for each step of each season, in order.
        return point + sums[:, :horizon]


@dataclass(frozen=True)
class Drift:
    """The last value plus the mean change of the past for each step."""

    name: str = "drift"

    def samples(
        self, target: NDArray[np.float64], horizon: int, count: int, random: np.random.Generator
    ) -> NDArray[np.float64]:
        """Sample paths, float64 (count, horizon); see `SeasonalNaive.samples`."""
        observed = np.flatnonzero(np.isfinite(target))
        values = target[observed]
        if len(values) < 2:
            return np.full((count, horizon), values[-1])
        slope = (values[-1] - values[0]) / (observed[-1] - observed[0])
        errors = np.diff(values) - slope * np.diff(observed)
        changes = random.choice(errors, (count, horizon)).cumsum(1)
        return np.asarray(values[-1] + slope * np.arange(1, horizon + 1) + changes)


def seasons(freq: str, length: int) -> list[int]:
    """The seasons of a frequency, in steps, that occur at least twice in `length` steps, the
    shortest first; [1] if there are none.
    """
    return [season for season in frequency.seasons(freq) if 2 * season <= length] or [1]


def best_season(target: NDArray[np.float64], freq: str) -> int:
    """The season over which the series changed least, in steps; 1 if there is none."""
    candidates = [1, *seasons(freq, len(target))]
    return min(candidates, key=lambda season: (_change(target, season), season))


def _change(target: NDArray[np.float64], season: int) -> float:
    """Mean absolute change over a season; infinite if it is unknown."""
    changes = np.abs(target[season:] - target[:-season])
    changes = changes[np.isfinite(changes)]
    return float(changes.mean()) if len(changes) else float("inf")


def of(freq: str, length: int) -> Sequence[SeasonalNaive | Drift]:
    """The baselines of a history: the last season of each of its two longest seasons, and drift."""
    return [*(SeasonalNaive(season) for season in seasons(freq, length)[-2:]), Drift()]
