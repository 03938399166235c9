"""Which windows at the ends of series are set aside: not trained on, to choose the best epoch, to
calibrate and to measure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from warmstart.series.time_series import TimeSeries

MOST_WINDOWS = 4
"""Of one series."""
LEAST_SHARE = 12
"""Horizons that a series has for each of its windows, where it has more than one."""
MOST_SERIES = 500
"""That are calibrated and measured on."""


def planned_windows(many: Sequence[TimeSeries], horizon: int) -> int:
    """How many horizons at the end of each series are set aside: more of long series."""
    length = int(np.median([len(one) for one in many]))
    return int(np.clip(length // (LEAST_SHARE * horizon), 1, MOST_WINDOWS))


def origins(length: int, horizon: int, windows: int) -> list[int]:
    """First steps of the windows of one series that are set aside, in order; one of a short series."""
    count = windows if length >= LEAST_SHARE * horizon * windows else 1
    return [max(length - window * horizon, 1) for window in range(count, 0, -1)]


def without_windows(one: TimeSeries, horizon: int, windows: int) -> TimeSeries:
    """The series before the first of its windows; one too short for that keeps all but its last
    step.
    """
    head = one.head(origins(len(one), horizon, windows)[0])
    return head if np.isfinite(head.target).any() else one


def windows_before(
    series: Sequence[TimeSeries], horizon: int, windows: int
) -> tuple[list[TimeSeries], list[NDArray[np.float64]]]:
    """What lies before each window, and what came, of the series that have both; of at most
    `MOST_SERIES` series.
    """
    pasts, actual = [], []
    for index in np.unique(np.linspace(0, len(series) - 1, MOST_SERIES).round().astype(int)):
        one = series[index]
        for origin in origins(len(one), horizon, windows):
            if origin < len(one) and np.isfinite(one.target[:origin]).any():
                pasts.append(one.head(origin))
                actual.append(one.target[origin : origin + horizon])
    return pasts, actual
