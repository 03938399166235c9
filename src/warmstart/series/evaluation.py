"""Backtesting: forecast series from several origins, and compare with the actual values."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.core.results import Failed
from warmstart.counts import counted
from warmstart.errors import InputError, UsageError
from warmstart.series.comparison import Comparison, best
from warmstart.series.results import Forecast
from warmstart.series.time_series import NamedSeries, TimeSeries


class Backtest:
    """The windows of a backtest and their metrics.

    Args:
        horizon: steps of a window.
        windows: per series; the last one ends with the series.
        stride: steps from one origin to the next.
        season: for the seasonal-naive forecast and MASE; default: that of the frequency.
    """

    def __init__(self, horizon: int, windows: int, stride: int, season: int | None):
        self.horizon, self.windows, self.stride = horizon, windows, stride
        self.season = season
        self.errors: list[str] = []
        self.count = 0
        self._actual: deque[NDArray[np.float64]] = deque()
        self._comparison: Comparison | None = None

    def past(self, series: Iterable[NamedSeries]) -> Iterator[TimeSeries]:
        """The past of each window, the earliest origin of a series first."""
        for whole, origin in self._origins(series):
            self._actual.append(whole.target[origin : origin + self.horizon])
            yield whole.head(origin)

    def add(self, result: Forecast | Failed) -> bool:
        """Add the result of the next window; returns whether it is a forecast."""
        actual = self._actual.popleft()
        if isinstance(result, Failed):
            self.errors.append(str(result.error))
            return False
        if self._comparison is None:
            self._comparison = Comparison(result.series.freq, self.season)
        self._comparison.add(actual, result)
        self.count += 1
        return True

    def result(self) -> dict[str, Any]:
        """All metrics; see `Forecaster.evaluate`.

        Raises:
            UsageError: there was no window.
        """
        comparison = self._comparison
        if comparison is None:
            first = f" The first error: {self.errors[0]}" if self.errors else ""
            raise UsageError(
                f"There is no window of {counted(self.horizon, 'step')} to evaluate on.{first}"
            )
        figures = comparison.model.result()
        winner = best(comparison.baselines())
        warnings = []
        if winner and winner.loss < figures["mean_wQL"]:
            warnings.append(f"{winner.name} is better (mean_wQL {winner.loss:.4g})")
        calibration = {
            f"{level:g}": share for level, share in comparison.model.calibration().items()
        }
        return {
            **figures,
            "seasonal_naive": comparison.naive.result(),
            "baselines": comparison.baselines(),
            "warnings": warnings,
            "count": self.count,
            "errors": self.errors,
            "calibration": calibration,
        }

    def _origins(self, series: Iterable[NamedSeries]) -> Iterator[tuple[TimeSeries, int]]:
        """(series, index of the first step of a window)."""
        for _, value in series:
            if isinstance(value, InputError):
                self.errors.append(str(value))
                continue
            last = len(value) - self.horizon
            origins = [last - window * self.stride for window in reversed(range(self.windows))]
            usable = [
                origin
                for origin in origins
                if origin >= 1 and np.isfinite(value.target[:origin]).any()
            ]
            if not usable:
                self.errors.append(
                    f"{value.name}: its length of {counted(len(value), 'step')} is too short for a window of "
                    f"{self.horizon} after some history; use a longer series or a shorter "
                    "horizon."
                )
            for origin in usable:
                yield value, origin
