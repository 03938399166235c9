"""Forecasting: table -> series -> context -> engine -> samples or quantiles -> `Forecast`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from warmstart.catalog import Entry, Label
from warmstart.core.model import Model
from warmstart.core.results import Failed
from warmstart.core.weights import Weights
from warmstart.engines.base import Engine
from warmstart.errors import InputError, UsageError, require
from warmstart.series import frequency
from warmstart.series import time_series as series
from warmstart.series.layout import Layout
from warmstart.series.metrics import LEVELS, Scores, seasonal_naive
from warmstart.series.results import Forecast
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
SAMPLES = 100
MOST_HORIZON = 100_000
METHODS = {"deepar": ("warmstart.series.sampler", "DeepAR"),
           "chronos_bolt": ("warmstart.series.patching", "ChronosBolt")}
"""Architecture -> (module, class) of what its network is run by."""


class Method(Protocol):
    """How one architecture answers.

    Attributes:
        horizon: steps that it forecasts where nothing else is asked.
        freq: pandas alias; series without timestamps are counted in it.
        known, static: columns that it needs.
    """

    horizon: int
    freq: str
    known: tuple[str, ...]
    static: tuple[str, ...]

    def check(self, series: TimeSeries, horizon: int) -> None:
        """Raise `InputError` where the series cannot be forecast."""

    def batch_size(self, samples: int) -> int:
        """Series per batch."""

    def answer(self, engine: Engine, many: Sequence[TimeSeries], horizon: int, samples: int,
               seeds: Sequence[Sequence[int]], keep: bool) -> list[dict[str, Any]]:
        """Fields of `Forecast` for each series: `samples`, or quantiles as `given`."""

    def states(self, engine: Engine, many: Sequence[TimeSeries]) -> np.ndarray:
        """What the network knows of each series: float32 (N, D)."""


class Forecaster(Model):
    """Forecasts time series.

    Example:
        >>> model = ws.load("deepar_hourly")
        >>> forecast = model(load_per_hour, horizon=24)
        >>> forecast.quantile(0.9)
    """

    task = "forecasting"

    def __init__(self, entry: Entry, weights: Weights, labels: tuple[Label, ...], *, engine: str = "auto",
                 precision: str = "float32", folder: Path | None = None):
        require("pandas", extra="series", purpose="to forecast")
        super().__init__(entry, weights, labels, engine=engine, precision=precision, folder=folder)

    @cached_property
    def method(self) -> Method:
        """How its network is run."""
        return _method(self.entry.architecture)(self.entry)

    def __call__(self, inputs: Any, *, horizon: int | None = None, quantiles: Sequence[float] = QUANTILES,
                 samples: int = SAMPLES, seed: int = 0, parameters: bool = False, batch_size: int | None = None,
                 **options: Any) -> Any:
        """Forecast what comes after the end of each series.

        Args:
            inputs: a pandas Series or DataFrame (long or wide), an array (T,) or (N, T), a CSV or Parquet file, a
                mapping from names to series, a list or an iterator of them; see `warmstart.series.time_series`.
            horizon: steps; default: those the model was trained for.
            quantiles: levels that tables and plots show; `quantile` of the result gives any.
            samples: futures drawn per series, by models that draw them.
            seed: of the random numbers; the same seed gives the same samples.
            parameters: also keep the distribution's parameters at each step, by models that have them.
            batch_size: series per call of the engine; does not change results.
            **options: how to read tables: `freq`, a pandas alias, where timestamps do not tell it; `target`, `item`,
                `timestamp`, names of columns where they are not the usual ones; `duplicates`, what becomes of two
                rows of a series at one time: "error", "first", "last", "sum", "mean".

        Returns:
            One `Forecast` for a Series or array (T,); a list of them for tables, files, mappings and lists; an
            iterator for an iterator, which takes memory for one batch only. A series that is unusable is a `Failed`
            in its place.

        Raises:
            InputError: the one series is unusable, or the file cannot be read.
            UsageError: an option is wrong, or names a column that is not there.
        """
        layout = self._layout(**options)
        asked = self._asked(horizon, quantiles, samples, batch_size)
        read = series.iter_series(inputs, layout)
        results = self._forecasts(read, asked, quantiles, samples, seed, parameters, batch_size)
        if series.is_single(inputs):
            (result,) = results
            if isinstance(result, Failed):
                raise result.error
            return result
        return results if series.is_lazy(inputs) else list(results)

    def _layout(self, **options: Any) -> Layout:
        for name in options:
            if name not in ("freq", "target", "item", "timestamp", "duplicates"):
                raise UsageError(f"Forecaster takes no option {name!r}.")
        method = self.method
        return Layout(**options, known=method.known, static=method.static, expected=method.freq)

    def _asked(self, horizon: int | None, quantiles: Sequence[float], samples: int, batch_size: int | None) -> int:
        horizon = self.method.horizon if horizon is None else horizon
        for name, value, most in (("horizon", horizon, MOST_HORIZON), ("samples", samples, 100_000),
                                  ("batch_size", batch_size or 1, 1_000_000)):
            if not 1 <= value <= most:
                raise UsageError(f"{name} must be 1 to {most:,}, not {value}.")
        for level in quantiles:
            if not 0 < level < 1:
                raise UsageError(f"A quantile's level is between 0 and 1, not {level}.")
        return horizon

    def _forecasts(self, read: Iterator[series.Read], horizon: int, quantiles: Sequence[float], samples: int,
                   seed: int, parameters: bool, batch_size: int | None) -> Iterator[Forecast | Failed]:
        """Answers in order, a batch of series at a time."""
        size = batch_size or self.method.batch_size(samples)
        waiting: list[tuple[str, TimeSeries | InputError]] = []
        done = 0
        for name, found in read:
            waiting.append((name, self._checked(found, horizon)))
            if len(waiting) == size:
                yield from self._batch(waiting, done, horizon, quantiles, samples, seed, parameters)
                done += len(waiting)
                waiting = []
        yield from self._batch(waiting, done, horizon, quantiles, samples, seed, parameters)

    def _checked(self, value: TimeSeries | InputError, horizon: int) -> TimeSeries | InputError:
        if isinstance(value, TimeSeries):
            try:
                self.method.check(value, horizon)
            except InputError as error:
                return error
        return value

    def _batch(self, waiting: Sequence[tuple[str, TimeSeries | InputError]], done: int, horizon: int,
               quantiles: Sequence[float], samples: int, seed: int, parameters: bool) -> Iterator[Forecast | Failed]:
        usable = [(place, value) for place, (_, value) in enumerate(waiting) if isinstance(value, TimeSeries)]
        answers: dict[int, Forecast] = {}
        if usable:
            many = [value for _, value in usable]
            seeds = [(seed, done + place) for place, _ in usable]
            fields = self.method.answer(self.engine, many, horizon, samples, seeds, parameters)
            for told, (place, value) in zip(fields, usable, strict=True):
                answers[place] = Forecast(value.name, self.name, value, horizon, tuple(quantiles), **told)
        for place, (name, found) in enumerate(waiting):
            yield Failed(name, found) if isinstance(found, InputError) else answers[place]

    def features(self, inputs: Any, *, batch_size: int | None = None, **options: Any) -> Any:
        """The network's states behind the context: what it knows of a series.

        Args:
            inputs: as for calling the model.
            batch_size: series per call of the engine.

        Returns:
            float32 (D,) for one series, (N, D) otherwise.

        Raises:
            InputError: a series is unusable.
        """
        layout = self._layout(**options)
        rows = []
        for _, value in series.iter_series(inputs, layout):
            if isinstance(value, InputError):
                raise value
            self.method.check(value, 0)
            rows.append(self.method.states(self.engine, [value])[0])
        return rows[0] if series.is_single(inputs) else np.stack(rows)

    def evaluate(self, data: Any, *, horizon: int | None = None, windows: int = 1, stride: int | None = None,
                 samples: int = SAMPLES, seed: int = 0, season: int | None = None, batch_size: int | None = None,
                 progress: Callable[[str, int, int | None], None] | None = None, **options: Any) -> dict[str, Any]:
        """Backtest: forecast the last steps of each series from what lies before them, from several origins.

        Args:
            data, horizon, samples, seed, batch_size: as for calling the model, which also takes the other options.
            windows: origins per series; the last window ends with the series.
            stride: steps from one origin to the next; default: the horizon.
            season: for the seasonal-naive forecast and MASE; default: that of the frequency.
            progress: called with (name of the model, windows so far, None).

        Returns:
            Metrics of `metrics.forecasts` (`mean_wQL`, `CRPS`, `ND`, `MASE`, `sMAPE`, `coverage_80`, …), those of the
            seasonal-naive forecast on the same windows as `"seasonal_naive"`, `"count"` of windows and `"errors"`.

        Raises:
            UsageError: an option is wrong, or there is no window at all.
        """
        horizon = self._asked(horizon, (), samples, batch_size)
        stride = horizon if stride is None else stride
        if windows < 1 or stride < 1:
            raise UsageError("windows and stride must be 1 or more.")
        layout = self._layout(**options)
        ours = naive = Scores(season or 1)
        errors: list[str] = []
        count = 0
        cut = _windows(series.iter_series(data, layout), horizon, windows, stride, errors)
        actual: list[np.ndarray] = []

        def past() -> Iterator[series.Read]:
            for whole, end in cut:
                actual.append(whole.target[end:end + horizon])
                yield whole.name, whole.head(end)

        for result in self._forecasts(past(), horizon, (), samples, seed, False, batch_size):
            truth = actual.pop(0)
            if isinstance(result, Failed):
                errors.append(str(result.error))
                continue
            if not count:
                season = season or frequency.season(result.series.freq)
                ours, naive = Scores(season), Scores(season)
            before = result.series.target
            ours.add(truth, before, result.quantile, result.samples)
            point = seasonal_naive(before, ours.season, horizon)
            naive.add(truth, before, dict.fromkeys(LEVELS, point).__getitem__, point[None])
            count += 1
            if progress:
                progress(self.name, count, None)
        if not count:
            raise UsageError(f"There is no window of {horizon} steps to evaluate on."
                             + (f" The first error: {errors[0]}" if errors else ""))
        return {**ours.result(), "seasonal_naive": naive.result(), "count": count, "errors": errors,
                "calibration": {f"{level:g}": share for level, share in ours.calibration().items()}}

    def files(self) -> Mapping[str, Path | bytes]:
        """The config of a Hugging Face repository, so that the bundle stays one."""
        path = self._folder / "config.json" if self._folder else None
        return {path.name: path} if path is not None and path.is_file() else {}

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """The functions that the architecture is run by."""
        return _method(entry.architecture).program(entry, model)


def _method(architecture: str) -> Any:
    module, name = METHODS[architecture]
    return getattr(import_module(module), name)


def _windows(read: Iterator[series.Read], horizon: int, windows: int, stride: int,
             errors: list[str]) -> Iterator[tuple[TimeSeries, int]]:
    """(series, place of the origin), the earliest origin of a series first."""
    for _, value in read:
        if isinstance(value, InputError):
            errors.append(str(value))
            continue
        ends = [len(value) - horizon - n * stride for n in reversed(range(windows))]
        usable = [end for end in ends if end >= 1 and np.isfinite(value.target[:end]).any()]
        if not usable:
            errors.append(f"{value.name}: its {len(value)} steps are too few for a window of {horizon} with something "
                          "before it; give a longer series or a shorter horizon.")
        for end in usable:
            yield value, end
