"""Forecasting: table → series → context → engine → samples or quantiles → `Forecast`."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from warmstart.catalog import Entry, Label
from warmstart.core.evaluation import Evaluation
from warmstart.core.inputs import Item
from warmstart.core.model import Model, Prepared
from warmstart.core.options import make, takes
from warmstart.core.progress import progress_of
from warmstart.core.result_collections import Results, ResultStream
from warmstart.core.results import Failed
from warmstart.core.task import task_of
from warmstart.core.types import Data, Progress
from warmstart.core.weights import Weights
from warmstart.errors import documented_in, require
from warmstart.models import runner
from warmstart.series.evaluation import Backtest
from warmstart.series.inputs import SERIES, Series, SeveralSeries, Table
from warmstart.series.layout import Layout
from warmstart.series.method import Method
from warmstart.series.options import SAMPLES, EvaluateOptions, ForecastOptions, TableOptions
from warmstart.series.results import Forecast
from warmstart.series.settings import SeriesSettings
from warmstart.series.time_series import TimeSeries, iter_series

if TYPE_CHECKING:
    import keras

    from warmstart.engines.keras import Program


class Forecaster(Model[Series, Forecast, ForecastOptions]):
    """Forecasts time series.

    Example:
        >>> model = ws.load("deepar")
        >>> forecast = model([3.0, 5.0, 4.0, 6.0, 5.0, 7.0], horizon=2)
        >>> forecast.quantile(0.9).shape
        (2,)
        >>> metrics = model.evaluate("visits.csv", horizon=24)
        >>> metrics["count"], metrics["errors"]
        (1, [])
        >>> model.feature_size, model.features([3.0, 5.0, 4.0, 6.0, 5.0, 7.0]).shape
        (160, (160,))
        >>> [vector.shape for vector in model.stream_features([[3.0, 5.0, 4.0, 6.0]])]
        [(160,)]
    """

    task = "forecasting"
    options = ForecastOptions
    evaluate_options = EvaluateOptions
    result = Forecast
    settings_type = SeriesSettings
    batched = False
    seeded_by_index = True
    decodes_ahead = False
    generates = "values of sample paths"

    def __init__(
        self,
        entry: Entry,
        weights: Weights,
        labels: tuple[Label, ...],
        *,
        engine: str = "auto",
        precision: str = "float32",
        folder: Path | None = None,
    ):
        require("pandas", extra="series", purpose="to forecast")
        super().__init__(entry, weights, labels, engine=engine, precision=precision, folder=folder)

    def check_parts(self) -> None:
        super().check_parts()
        self.method  # noqa: B018 (is the recipe whole?)

    @cached_property
    def method(self) -> Method:
        """How its network is run."""
        method: Method = runner(self.entry.architecture)(self.entry)
        return method

    @overload
    @takes(ForecastOptions)
    def __call__(self, series: Series, options: ForecastOptions) -> Forecast: ...
    @overload
    @takes(ForecastOptions)
    def __call__(
        self, series: SeveralSeries, options: ForecastOptions
    ) -> Results[Forecast | Failed]: ...
    @takes(ForecastOptions)
    def __call__(self, series: Any, options: ForecastOptions) -> Any:
        """Forecast what comes after the end of a series, or of several.

        Args:
            series: a pandas Series, an array (T,) or a list of numbers is one; a DataFrame (long or
                wide), the path of a CSV or Parquet file, a mapping from names to series, and a list
                of these are several; see `warmstart.series.time_series`.

        Returns:
            One `Forecast`; for several a list, in which an unusable series is a `Failed` at its
            index.

        Raises:
            InputError: the one series is unusable, or the file cannot be read.
            UsageError: an option is wrong or names a column that is not there, or `series` is an
                iterator or an array of two dimensions.
        """
        return self.predict(series, options)

    @takes(ForecastOptions)
    def stream(
        self, series: Iterable[Series | Table] | Series | SeveralSeries, options: ForecastOptions
    ) -> ResultStream[Forecast | Failed]:
        """Forecast the series of an iterator, of a folder or pattern of tables, in order, in
        constant memory.

        Returns:
            An iterator with a `Forecast` for each input, or a `Failed` for an unusable one.

        Raises:
            UsageError: an option is invalid, or this is not a stream of series.
        """
        return self.predict_stream(series, options)

    @takes(TableOptions)
    def features(
        self, series: Series | SeveralSeries, options: TableOptions
    ) -> NDArray[np.float32]:
        """The network's state at the end of the context, which describes a series.

        Args:
            series: one or several, as for calling the model.

        Returns:
            float32 (D,) for one series, (N, D) for several.

        Raises:
            InputError: a series is unusable.
        """
        return self.predict_features(series, ForecastOptions(**vars(options), horizon=0))

    def stream_features(
        self, inputs: object, options: ForecastOptions | None = None
    ) -> Iterator[NDArray[np.float32]]:
        return super().stream_features(inputs, replace(options or ForecastOptions(), horizon=0))

    @property
    def feature_size(self) -> int:
        return self.method.state_size(self.engine)

    def layout(self, options: TableOptions) -> Layout:
        """How this model reads tables.

        Raises:
            UsageError: there is no such frequency.
        """
        method = self.method
        return Layout(
            freq=options.freq,
            target=options.target,
            item=options.item,
            timestamp=options.timestamp,
            date_format=options.date_format,
            decimal=options.decimal,
            known=method.known,
            static=method.static,
            duplicates=options.duplicates,
            expected=None if method.any_freq else method.freq,
            undated=method.freq,
            remembered=method.columns,
        )

    @property
    def option_names(self) -> tuple[str, ...]:
        ignored = () if self.method.sampled else ("samples", "seed", "parameters")
        return tuple(name for name in super().option_names if name not in ignored)

    def ready(self) -> None:
        require("pandas", extra="series", purpose="to read time series")
        super().ready()

    def elements(self, inputs: Any, options: ForecastOptions) -> Iterator[Item]:
        return SERIES.elements(inputs, self.layout(options))

    def stream_items(self, inputs: Any, options: ForecastOptions) -> Iterator[Item]:
        return SERIES.stream(inputs, self.layout(options))

    def read_table(self, path: str, options: ForecastOptions) -> Iterator[Item]:
        return SERIES.elements(path, self.layout(options))

    def from_row(self, row: Any, source: str, options: ForecastOptions) -> TimeSeries:
        return SERIES.from_record(row, source, self.layout(options))

    def group_size(self, options: ForecastOptions, is_list: bool) -> int:
        return options.batch_size or self.method.batch_size(options.samples)

    def generated(self, value: Any, options: ForecastOptions) -> int:
        return self._horizon(options) * (options.samples if self.method.sampled else 1)

    def prepare(self, item: Item, options: ForecastOptions) -> Prepared:
        series = SERIES.read(item, self.layout(options))
        self.method.check(series, self._horizon(options))
        return Prepared(series.name, context=series, index=item.index)

    def compute(
        self, inputs: Sequence[Prepared], options: ForecastOptions
    ) -> Generator[None, None, Sequence[Any]]:
        series = [prepared.context for prepared in inputs]
        seeds = [(options.seed, prepared.index) for prepared in inputs]
        horizon, samples, keep = self._horizon(options), options.samples, options.parameters
        forecasts = self.method.forecast(self.engine, series, horizon, samples, seeds, keep)
        return (yield from forecasts)

    def compute_features(
        self, inputs: Sequence[Prepared], options: ForecastOptions
    ) -> Generator[None, None, Sequence[NDArray[np.float32]]]:
        states = []
        for prepared in inputs:
            states.append(self.method.states(self.engine, [prepared.context])[0])
            yield
        return states

    def decode(self, prepared: Prepared, outputs: Any, options: ForecastOptions) -> Forecast:
        quantiles = tuple(options.quantiles)
        series = prepared.context
        notes = (*series.notes, *outputs.pop("notes", ()))
        return Forecast(
            series.name,
            self.name,
            series,
            self._horizon(options),
            quantiles,
            **outputs,
            notes=notes,
            validation=self.method.validation,
        )

    def vector(
        self, prepared: Prepared, outputs: Any, options: ForecastOptions
    ) -> NDArray[np.float32]:
        states: NDArray[np.float32] = outputs
        return states

    def _horizon(self, options: ForecastOptions) -> int:
        return self.method.horizon if options.horizon is None else options.horizon

    @documented_in(task_of(task).guide)
    def evaluate(
        self,
        data: Data,
        *,
        horizon: int | None = None,
        windows: int = 1,
        stride: int | None = None,
        samples: int = SAMPLES,
        seed: int = 0,
        season: int | None = None,
        batch_size: int | None = None,
        progress: Progress | bool | None = None,
        **options: object,
    ) -> Evaluation:
        """Backtest: forecast the last steps of each series from the steps before them, from several
        origins.

        Args:
            data: one or several series, as for calling the model; also an array (N, T) or an
                iterator.
            horizon, samples, seed, batch_size: as for calling the model, whose options for tables
                are also taken.
            windows: origins per series; the last window ends with the series.
            stride: steps from one origin to the next; default: the horizon.
            season: for the seasonal-naive forecast and MASE; default: that of the frequency.
            progress: True, or a function that is called with (name of the model, windows so far, in
                all or None).

        Returns:
            Metrics of `series.metrics` (`mean_wQL`, `CRPS`, `ND`, `MASE`, `sMAPE`, `coverage_80`,
            …), those of the seasonal-naive forecast on the same windows as `"seasonal_naive"`, of
            baselines with intervals by their names as `"baselines"` (the last season of each length,
            and drift), `"count"` of windows and `"errors"`.

        Raises:
            UsageError: an option is wrong, or there is no window at all.
        """
        values = {
            "horizon": horizon,
            "windows": windows,
            "stride": stride,
            "season": season,
            "samples": samples,
            "seed": seed,
            "batch_size": batch_size,
        }
        checked = make(EvaluateOptions, values | options, type(self).__name__)
        layout = self.layout(checked)
        horizon = self.method.horizon if checked.horizon is None else checked.horizon
        stride = horizon if stride is None else stride
        backtest = Backtest(horizon, windows, stride, season)
        report = progress_of(progress)
        past = backtest.past(iter_series(data, layout))
        forecasts = self.stream(
            past, horizon=horizon, quantiles=(), samples=samples, seed=seed, batch_size=batch_size
        )
        for forecast in forecasts:
            if backtest.add(forecast) and report:
                report(self.name, backtest.count, None)
        if report:
            report(self.name, backtest.count, backtest.count)
        return Evaluation.of(self, backtest.result())

    def files(self) -> Mapping[str, Path | bytes]:
        """The config of a Hugging Face repository, so that the bundle stays one."""
        path = self.folder / "config.json" if self.folder else None
        return {path.name: path} if path is not None and path.is_file() else {}

    @staticmethod
    def program(entry: Entry, model: keras.Model) -> Program:
        """The functions that the architecture is run by."""
        program: Program = runner(entry.architecture).program(entry, model)
        return program
