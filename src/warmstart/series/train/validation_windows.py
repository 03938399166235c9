"""The validation windows at the ends of series: set aside from training, to choose the best epoch,
to calibrate and to measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from warmstart.series.time_series import TimeSeries

MOST_WINDOWS = 4
"""Maximum number of validation windows of one series."""
LEAST_SHARE = 12
"""Minimum length of a series per window, in horizons, if it has more than one window."""
MOST_SERIES = 500
"""Maximum number of series that are used to calibrate and measure."""


def planned_windows(series: Sequence[TimeSeries], horizon: int) -> int:
    """The number of horizons at the end of each series that are set aside: more of long series."""
    length = int(np.median([len(item) for item in series]))
    return int(np.clip(length // (LEAST_SHARE * horizon), 1, MOST_WINDOWS))


def origins(length: int, horizon: int, windows: int) -> list[int]:
    """First steps of the windows of one series that are set aside, in order; one if it is short."""
    count = windows if length >= LEAST_SHARE * horizon * windows else 1
    return [max(length - window * horizon, 1) for window in range(count, 0, -1)]


def without_windows(series: TimeSeries, horizon: int, windows: int) -> TimeSeries:
    """The series up to its first validation window; the whole series if nothing was observed
    before.
    """
    head = series.head(origins(len(series), horizon, windows)[0])
    return head if np.isfinite(head.target).any() else series


def windows_before(
    series: Sequence[TimeSeries], horizon: int, windows: int
) -> tuple[list[TimeSeries], list[NDArray[np.float64]]]:
    """The past and the actual values of each window, of at most `MOST_SERIES` series; windows that
    lack one of both are left out.
    """
    pasts, actual = [], []
    for index in np.unique(np.linspace(0, len(series) - 1, MOST_SERIES).round().astype(int)):
        item = series[index]
        for origin in origins(len(item), horizon, windows):
            if origin < len(item) and np.isfinite(item.target[:origin]).any():
                pasts.append(item.head(origin))
                actual.append(item.target[origin : origin + horizon])
    return pasts, actual
