"""The effects of covariates on a series: removed before a network sees it, added back to the
forecast.

They are estimated by a regression, `changes of y = changes of X · b`, over a season, by least
squares on each series' own history; the network forecasts the residuals. Otherwise a promotion of
last week would be in the lags of this week, and the network would have to learn to subtract it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from warmstart.series.time_series import TimeSeries

LEAST = 20
"""Observed changes for each covariate."""
GAIN = 0.9
"""The changes of the series must shrink to this share."""


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of covariates on one series.

    Attributes:
        names: of the covariates.
        coefficients: float64 (C,), in the series' units for each unit of a covariate.
    """

    names: tuple[str, ...]
    coefficients: NDArray[np.float64]

    @classmethod
    def of(cls, series: TimeSeries, names: Sequence[str], season: int) -> Effects | None:
        """The effects on a series; None if there are no covariates, or its history shows no effect.

        Args:
            season: in steps; changes are differences over one season.
        """
        length = len(series)
        if not names or length <= season:
            return None
        covariates = np.stack([series.known[name][:length] for name in names], 1)
        changes = covariates[season:] - covariates[:-season]
        target = series.target[season:] - series.target[:-season]
        is_usable = np.isfinite(target)
        changes, target = changes[is_usable], target[is_usable]
        if len(target) < LEAST * len(names):
            return None
        coefficients = np.asarray(np.linalg.lstsq(changes, target, rcond=None)[0], np.float64)
        rest = np.abs(target - changes @ coefficients).mean()
        if not rest < GAIN * np.abs(target).mean():
            return None
        return cls(tuple(names), coefficients)

    def removed(self, series: TimeSeries) -> TimeSeries:
        """The series without the effects."""
        return replace(series, target=series.target - self._values(series, 0, len(series)))

    def added(self, samples: NDArray[np.float64], series: TimeSeries) -> NDArray[np.float64]:
        """Sample paths (S, horizon) that follow a series, with the effects added."""
        return samples + self._values(series, len(series), samples.shape[1])

    def _values(self, series: TimeSeries, first: int, steps: int) -> NDArray[np.float64]:
        """The effects at `steps` steps from `first` on, (steps,)."""
        columns = [series.known[name][first : first + steps] for name in self.names]
        values: NDArray[np.float64] = np.stack(columns, 1) @ self.coefficients
        return values
