"""The interface between `Forecaster` and the network of an architecture."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from warmstart.engines.base import Engine
from warmstart.series.time_series import TimeSeries


class Method(Protocol):
    """How the network of one architecture forecasts.

    Attributes:
        horizon: steps that it forecasts by default.
        freq: pandas alias; the frequency of series without timestamps.
        any_freq: whether it forecasts series of every frequency, and not only of `freq`.
        known, static: columns that it needs.
        sampled: whether it draws sample paths; the others compute quantiles.
        columns: of the tables that it was trained on, by role; see `Layout.remembered`.
        validation: metrics on its validation windows, of itself and of baselines; empty if they
            are not known.
    """

    sampled: bool
    horizon: int
    freq: str
    any_freq: bool
    known: tuple[str, ...]
    static: tuple[str, ...]
    columns: Mapping[str, Any]
    validation: Mapping[str, Mapping[str, float]]

    def check(self, series: TimeSeries, horizon: int) -> None:
        """Raise `InputError` where the series cannot be forecast."""

    def batch_size(self, samples: int) -> int:
        """Series per batch."""

    def forecast(
        self,
        engine: Engine,
        series: Sequence[TimeSeries],
        horizon: int,
        samples: int,
        seeds: Sequence[Sequence[int]],
        keep: bool,
    ) -> Generator[None, None, list[dict[str, Any]]]:
        """Fields of `Forecast` for each series: `samples`, or `quantile_values`; yields between
        steps.
        """

    def states(self, engine: Engine, series: Sequence[TimeSeries]) -> NDArray[np.float32]:
        """The network's states after the context: float32 (N, D)."""

    def state_size(self, engine: Engine) -> int:
        """D of the states."""
