"""Seasonal adjustment: seasonal components are removed from a series before a network sees it, and
added back to the forecast.

It is for networks that forecast series that they were not trained on, because these cannot learn
the seasons of a new series. Everything is estimated on the series itself: a season is used only if
it would have forecast later seasons from earlier ones, and its weights, smoothness and size are
selected by the same criterion. The result does not depend on the unit and offset of the series.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from warmstart.series import frequency
from warmstart.series.features import filled

Array = NDArray[np.float64]

SEASONS = 30
"""Maximum number of seasons of one length that a profile is averaged over; the minimum is two."""
LONGEST = 11_000
"""Steps of the longest season that is considered."""
LARGEST = 1e300
"""Beyond it, sums may exceed float64."""
MEMORY = (0.0, 0.5, 0.8, 1.0)
"""Weights of a season relative to the next one: 0 uses only the last season, 1 all equally."""
SMOOTH = 24
"""Minimum number of steps of a season that may be smoothed."""
OUTLIER = 4.0
"""Deviations are clipped to this multiple of the mean deviation."""
LEAST_GAIN = 0.1
"""Share by which a season must reduce errors if two seasons are known; less if more are known."""
GROWTH = 0.5
"""Minimum squared correlation of amplitude and level for an amplitude that follows the level."""


@dataclass(frozen=True, eq=False)
class Season:
    """One season: `y = shift + factor * z` at each of its steps, z being the adjusted value.

    Attributes:
        shift, factor: float64 (season,); the first numbers belong to the first step of a forecast.
        error: mean absolute error of forecasting each season from earlier ones, as a share of that
            without the season, below 1.
        optimism: this error divided by the error on the seasons that the profile is averaged over,
            above 0.
    """

    shift: Array
    factor: Array
    error: float
    optimism: float

    def __len__(self) -> int:
        return len(self.shift)

    @classmethod
    def of(cls, values: Array, length: int) -> Season | None:
        """The season of a series without missing values; None if it has none."""
        count = min(len(values) // length, SEASONS)
        if count < 2:
            return None
        middle = float(np.median(values))
        size = float(np.abs(values - middle).mean())
        if not np.isfinite(size) or size <= 1e-13 * abs(middle):
            return None
        rows = ((values[-count * length :] - middle) / size).reshape(count, length)
        means = rows.mean(1)
        rows = _winsorized(_deviations(rows, means))
        growth = _growth(rows, means)
        rows = rows / np.clip(1 + growth * (means - means[-1]), 0.3, 3.0)[:, None]
        best = _best_profile(rows)
        if best is None:
            return None
        profile, error, optimism = best
        factor = np.maximum(1 + growth * profile, 0.2)
        shift = profile - (factor - 1) * (middle / size + means[-1])
        return cls(shift * size, factor, error, optimism)

    def removed(self, values: Array, future: int = 0) -> Array:
        """A series (T,) without the season; its last `future` steps follow the past."""
        phases = np.arange(future - len(values), future) % len(self)
        adjusted: Array = (values - self.shift[phases]) / self.factor[phases]
        return adjusted

    def added(self, samples: Array) -> Array:
        """Sample paths (S, horizon) with the season added."""
        phases = np.arange(samples.shape[1]) % len(self)
        return self.shift[phases] + self.factor[phases] * samples


@dataclass(frozen=True, eq=False)
class Adjustment:
    """All seasons of a series, in the order in which they are removed."""

    seasons: tuple[Season, ...]

    def __str__(self) -> str:
        lengths = " and ".join(str(len(season)) for season in self.seasons)
        return f"the season{'s' * (len(self.seasons) > 1)} of {lengths} steps"

    @property
    def error(self) -> float:
        """The error of forecasting seasons from earlier ones, relative to that without seasons."""
        return float(np.prod([season.error for season in self.seasons]))

    @classmethod
    def of(cls, target: Array, freq: str) -> Adjustment:
        """The adjustment of a series, float64 (T,), NaN where nothing was observed."""
        seasons: list[Season] = []
        if np.nanmax(np.abs(target)) > LARGEST:
            return cls(())
        for length in frequency.seasons(freq):
            if length > LONGEST or len(target) < 2 * length:
                break
            values = filled(target, length)[0]
            for known in seasons:
                values = known.removed(values)
            if season := Season.of(values, length):
                seasons.append(season)
        return cls(tuple(seasons))

    def removed(self, target: Array, future: int = 0) -> Array:
        """The series without its seasons; see `Season.removed`."""
        for season in self.seasons:
            target = season.removed(target, future)
        return target

    def added(self, samples: Array) -> Array:
        """Sample paths (S, horizon) with the seasons added."""
        for season in reversed(self.seasons):
            samples = season.added(samples)
        return samples


def _deviations(rows: Array, means: Array) -> Array:
    """The deviations (K, m) of each season from a line through the means, each with a mean of 0."""
    count, length = rows.shape
    centres = np.arange(count) + 0.5
    steps = (np.arange(count * length) + 0.5) / length
    level = np.interp(steps, centres, means)
    half = length // 2
    if half:  # extrapolate the line beyond the first and the last centre
        level[:half] += (means[1] - means[0]) * (steps[:half] - 0.5)
        level[-half:] += (means[-1] - means[-2]) * (steps[-half:] - centres[-1])
    deviations = rows - level.reshape(rows.shape)
    return np.asarray(deviations - deviations.mean(1, keepdims=True))


def _winsorized(rows: Array) -> Array:
    """The rows without outliers: distances from the median season are clipped."""
    if len(rows) < 3:
        return rows
    middle = np.median(rows, 0)
    rest = rows - middle
    bound = OUTLIER * np.abs(rest).mean()
    return np.asarray(middle + np.clip(rest, -bound, bound))


def _growth(rows: Array, means: Array) -> float:
    """The growth of the amplitude with the level, relative to the last one; 0 if there is none."""
    if len(rows) < 4:
        return 0.0
    profile = rows.mean(0)
    energy, moved = float((profile**2).sum()), means - means[-1]
    if not energy > 0 or not moved.std() > 0:
        return 0.0
    amplitudes = rows @ profile / energy
    centred, deviations = moved - moved.mean(), amplitudes - amplitudes.mean()
    common, variation = float(centred @ deviations), float(deviations @ deviations)
    if not variation > 0:
        return 0.0
    slope = common / float(centred @ centred)
    last = float(amplitudes.mean()) - slope * float(moved.mean())
    share = slope * common / variation
    return share * slope / last if share > GROWTH and last > 0.3 else 0.0


def _best_profile(rows: Array) -> tuple[Array, float, float] | None:
    """The profile whose earlier states would have forecast later seasons best, its error relative
    to that without a profile, and its optimism; None if no profile is better.
    """
    count, length = rows.shape
    ages = np.arange(count)[:, None] - 1 - np.arange(count)
    known = np.array([np.where(ages >= 0, memory ** np.maximum(ages, 0), 0.0) for memory in MEMORY])
    known = known[:, 1:] / known[:, 1:].sum(-1, keepdims=True)
    all_weights = np.array(MEMORY)[:, None] ** np.arange(count)[::-1]
    all_weights = all_weights / all_weights.sum(-1, keepdims=True)
    truth, usual = rows[1:], float(np.abs(rows[1:]).mean())
    best: tuple[float, Array, float] | None = None
    widths = (0.0, length / 52, length / 18) if length >= SMOOTH else (0.0,)
    for width in widths:
        smooth = _smoothed(rows, width)
        forecasts = known @ smooth  # (memory, K - 1, m)
        energy = (forecasts**2).sum((1, 2))
        size = np.clip((forecasts * truth).sum((1, 2)) / np.where(energy > 0, energy, 1), 0, 1)
        errors = np.abs(truth - size[:, None, None] * forecasts).mean((1, 2))
        index = int(errors.argmin())
        if best is None or errors[index] < best[0]:
            profile = size[index] * (all_weights[index] @ smooth)
            best = float(errors[index]), profile, float(np.abs(rows - profile).mean())
    assert best is not None
    error, profile, inside = best
    if not error < (1 - LEAST_GAIN / (count - 1)) * usual:
        return None
    return profile, error / usual, max(error, 1e-9) / max(inside, 1e-9)


def _smoothed(rows: Array, width: float) -> Array:
    """The seasons, smoothed cyclically by a Gaussian of `width` steps."""
    if not width:
        return rows
    distance = np.minimum(np.arange(rows.shape[1]), np.arange(rows.shape[1])[::-1] + 1)
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    spectrum = np.fft.rfft(rows) * np.fft.rfft(kernel / kernel.sum())
    return np.asarray(np.fft.irfft(spectrum, rows.shape[1]))
