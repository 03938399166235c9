"""Seasonal adjustment: what a week adds to its days is taken off a series before a network sees it,
and put back onto the forecast.

For networks that forecast series that they were not trained on: they know what a day looks like,
and cannot know the weekends of a new series from one look.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warmstart.series import frequency
from warmstart.series.features import filled

SEASONS = 4
"""Of the long kind, at most, that the profile is the mean of; and two at least."""
LARGEST = 1e300
"""Beyond it, differences may exceed float64."""
GAIN = 0.8
"""The changes over a short season must shrink to this share."""


@dataclass(frozen=True, eq=False)
class Adjustment:
    """What the long season adds to the short one.

    Attributes:
        profile: float64 (long season,); the first number belongs to the first step of a forecast.
        short: steps of the short season.
        count: of the long seasons that the profile is the mean of.
    """

    profile: NDArray[np.float64]
    short: int
    count: int

    @classmethod
    def of(cls, target: NDArray[np.float64], freq: str) -> Adjustment | None:
        """That of a series; None where it has none, is too short to show one, or is not more
        regular without it.
        """
        seasons = frequency.seasons(freq)[-2:]
        if len(seasons) < 2:
            return None
        short, long = seasons
        if long % short or len(target) < 2 * long:
            return None
        values = filled(target, long)[0]
        if np.abs(values).max() > LARGEST:
            return None
        recent = values[-(min(len(values) // long, SEASONS) * long) :].reshape(-1, long)
        mean = recent.mean(0)
        profile = mean - np.tile(mean.reshape(-1, short).mean(0), long // short)
        adjustment = cls(profile, short, len(recent))
        before = np.abs(values[short:] - values[:-short]).mean()
        after = adjustment.removed(values)
        changed = np.abs(after[short:] - after[:-short]).mean()
        return adjustment if changed < GAIN * before else None

    def removed(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """The series without it, (T,)."""
        return target - self.profile[np.arange(-len(target), 0) % len(self.profile)]

    def added(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sample paths (S, horizon) with it."""
        return samples + self.profile[np.arange(samples.shape[1]) % len(self.profile)]

    def narrowed(
        self, samples: NDArray[np.float64], adjusted: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Sample paths (S, horizon) whose 80 % interval is not wider than that of seasonal naive.

        Args:
            adjusted: the past without the profile, float64 (T,).
        """
        errors = np.abs(adjusted[self.short :] - adjusted[: -self.short])
        errors = errors[np.isfinite(errors)]
        # The profile was fitted to these errors: those of the next season are larger.
        optimism = np.sqrt((self.count + 1) / (self.count - 1))
        ahead = np.sqrt(1 + np.arange(samples.shape[1]) // self.short)
        usual = float(np.quantile(errors, 0.8) * ahead.mean() * optimism)
        low, median, high = np.quantile(samples, (0.1, 0.5, 0.9), axis=0)
        width = float((high - low).mean()) / 2
        return median + (samples - median) * min(1.0, usual / width) if width > 0 else samples
