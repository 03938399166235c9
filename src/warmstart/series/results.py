"""The probabilistic forecast of one series."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from warmstart.core import html
from warmstart.core.wire import Record, Result, Value, Wire, wire_of
from warmstart.counts import counted
from warmstart.errors import UsageError, is_installed, require
from warmstart.json_values import JSON
from warmstart.series.baselines import SeasonalNaive, best_season
from warmstart.series.scaling import power_of_two
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Levels of the quantiles in tables and plots."""
INTERVALS = ((0.1, 0.9), (0.25, 0.75))
PLOTTED_HORIZONS = 4  # of history before a forecast in a plot
HISTORY_HORIZONS, MAX_HISTORY = 4, 2000  # horizons, and steps at most, of `Forecast.history`
SHOWN_STEPS = 6  # of a forecast on a terminal


@dataclass(frozen=True)
class History(Record):
    """The end of a series: timestamps in ISO 8601, or numbers of steps where it has none, and
    values, None if nothing was observed.
    """

    timestamps: Sequence[str]
    values: Sequence[Value | None]


@dataclass(frozen=True, eq=False, repr=False)
class Forecast(Result):
    """The probabilistic forecast of one series: a distribution at each step.

    Attributes:
        input: name of the series.
        model: name of the model.
        series: the series itself.
        horizon: steps.
        quantiles: levels that tables and plots show.
        samples: float32 (S, horizon), sample paths; None if the model returns only quantiles.
        quantile_values: float32 (horizon,) by level, if the model returns only quantiles.
        parameters: the distribution's parameters, each float32 (S, horizon); empty unless
            requested.
        notes: decisions on how the series was read and forecast.
        validation: metrics on the validation windows, of the model ("model") and of baselines;
            empty if unknown.

    Example:
        >>> forecast = ws.load("deepar")("visits.csv", horizon=24)[0]
        >>> forecast.mean.shape, forecast.freq, str(forecast.index[0])
        ((24,), 'h', '2024-04-15 00:00:00')
        >>> bool((forecast.quantile(0.1) <= forecast.quantile(0.9)).all())
        True
        >>> forecast.median.shape, forecast.timestamps[0], len(forecast.history.values)
        ((24,), '2024-04-15T00:00:00', 96)
        >>> forecast.plot(history=48).get_title(loc="left")
        'visits'
        >>> forecast.save("forecast.png")
        PosixPath('forecast.png')
        >>> forecast.to_frame().columns.tolist()
        ['item_id', 'timestamp', 'mean', '0.1', '0.25', '0.5', '0.75', '0.9']
    """

    wire: ClassVar = (
        "input",
        "model",
        "freq",
        "timestamps",
        "mean",
        "quantiles",
        "notes",
        "validation",
    )
    embedded: ClassVar = ("history",)
    tensors: ClassVar = ("mean",)
    files: ClassVar = (".png", ".svg")

    input: str
    model: str
    series: TimeSeries
    horizon: int
    quantiles: Annotated[tuple[float, ...], Wire(Mapping[str, Sequence[Value | None]])]
    samples: NDArray[np.float32] | None = None
    quantile_values: Mapping[float, NDArray[np.float32]] = field(default_factory=dict)
    parameters: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    notes: Annotated[tuple[str, ...], Wire(Sequence[str])] = ()
    validation: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)

    @property
    def freq(self) -> str | None:
        """The frequency of the series, a pandas alias; None if the series has no timestamps."""
        return self.series.freq if self.series.dated else None

    @property
    def _steps(self) -> str:
        """The horizon in words."""
        return counted(self.horizon, "step") + (f" of {self.freq}" if self.freq else "")

    @property
    def index(self) -> pd.DatetimeIndex | pd.RangeIndex:
        """Timestamps of the steps, or their numbers if the series has no timestamps."""
        return self.series.index(len(self.series), self.horizon)

    @property
    def timestamps(self) -> list[str]:
        """Timestamps of the steps in ISO 8601, or their numbers if the series has no timestamps."""
        return _texts(self.index)

    @property
    def mean(self) -> Annotated[NDArray[np.float64], Wire(Sequence[Value | None])]:
        """Mean of the samples, float64 (horizon,); the median if there are only quantiles."""
        if self.samples is None:
            return self.quantile(0.5)
        samples = self.samples.astype(np.float64)
        unit = power_of_two(np.maximum(np.abs(samples).max(0), 1.0))  # their sum may overflow
        mean: NDArray[np.float64] = (samples / unit).mean(0) * unit
        return mean

    @property
    def median(self) -> NDArray[np.float64]:
        """The quantile of level 0.5, float64 (horizon,)."""
        return self.quantile(0.5)

    @property
    def history(self) -> History:
        """The end of the series: four horizons, and 2000 steps at most."""
        count = min(len(self.series), HISTORY_HORIZONS * self.horizon, MAX_HISTORY)
        first = len(self.series) - count
        return History(_texts(self.series.index(first, count)), self.series.target[first:].tolist())

    @property
    def _is_point(self) -> bool:
        """Whether the model gives one number per step, without an interval."""
        return self.samples is None and len(self.quantile_values) == 1

    def quantile(self, level: float) -> NDArray[np.float64]:
        """The value that the series stays below with probability `level`, float64 (horizon,).

        With samples it is the sorted sample at index round((S - 1) * level), as in GluonTS. With
        quantiles only, it is interpolated between their levels and constant outside them.

        Raises:
            UsageError: the level is not a number from 0 to 1.
        """
        if not isinstance(level, Real) or not 0 <= level <= 1:
            raise UsageError(
                f"The level of a quantile must be one number from 0 to 1, not {level!r:.60}."
            )
        if self.samples is not None:
            index = round((len(self.samples) - 1) * level)
            values: NDArray[np.float64] = np.partition(self.samples, index, axis=0)[index].astype(
                np.float64
            )
            return values
        levels = sorted(self.quantile_values)
        table = np.stack([self.quantile_values[known] for known in levels])  # (L, horizon)
        return np.array([np.interp(level, levels, column) for column in table.T])

    def _checked(self, actual: ArrayLike) -> NDArray[np.float64]:
        """The actual values of the first steps, float64 (up to horizon,).

        Raises:
            UsageError: they are not numbers, or more than the horizon.
        """
        index = getattr(actual, "index", None)
        if self.series.dated and getattr(index, "inferred_type", "") == "datetime64":
            actual = cast("pd.Series[float]", actual).reindex(self.index)
        try:
            values = np.asarray(actual, np.float64)
        except (ValueError, TypeError):
            raise UsageError("actual must be numbers, one per step of the forecast.") from None
        if values.ndim != 1 or not 1 <= len(values) <= self.horizon:
            raise UsageError(
                f"actual must be up to {counted(self.horizon, 'number')}, one per step of the forecast, not an "
                f"array of the shape {values.shape}."
            )
        return values

    def to_frame(self) -> pd.DataFrame:
        """A table with a row per step: `item_id`, `timestamp`, `mean`, and a column per quantile
        (`"0.9"`).

        The levels are those of `quantiles`.
        """
        import pandas as pd

        return pd.DataFrame(list(self.table_rows()))

    @classmethod
    def table_columns(cls) -> tuple[str, ...]:
        return ("item_id", "timestamp", "mean")

    def table_rows(self) -> Iterator[dict[str, Any]]:
        values = {"mean": self.mean} | self._quantile_values()
        for step, timestamp in enumerate(self.index):
            row = {"item_id": self.input, "timestamp": timestamp}
            yield row | {name: column[step] for name, column in values.items()}

    def file_content(self, suffix: str) -> bytes:
        """`plot()` as a picture."""
        file = io.BytesIO()
        drawing, (axes,) = figure(1)
        self.plot(axes)
        drawing.savefig(file, format=suffix[1:])
        return file.getvalue()

    def to_html(self) -> str:
        if not is_installed("matplotlib"):
            return super().to_html()
        return html.embedded_picture(self.file_content(".png"), str(self))

    def to_dict(self, *, embed: bool = False) -> dict[str, JSON]:
        fields = dict(wire_of(type(self), embed).fields)
        values = {name: getattr(self, name) for name in fields}
        values["quantiles"] = self._quantile_values()
        return {name: wire_type.encode(values[name]) for name, wire_type in fields.items()}

    def _quantile_values(self) -> dict[str, NDArray[np.float64]]:
        return {f"{level:g}": self.quantile(level) for level in self.quantiles}

    @classmethod
    def csv_columns(cls, quantiles: Sequence[float] = QUANTILES) -> tuple[str, ...]:
        """The header of a CSV file; `quantiles` are those of the forecasts."""
        return ("item_id", "timestamp", "mean", *(f"{level:g}" for level in quantiles))

    def csv_rows(self) -> Iterator[tuple[str, ...]]:
        columns = [self.mean, *self._quantile_values().values()]
        for timestamp, *values in zip(self.timestamps, *columns, strict=True):
            yield self.input, timestamp, *(f"{value:.7g}" for value in values)

    def show(self) -> str:
        quantiles = [(f"{level:.0%}", self.quantile(level)) for level in self.quantiles]
        header = f"  {'':<25}" + "".join(f"{name:>12}" for name, _ in quantiles)
        lines = [f"{self.input}: {self._steps}", *(f"  ({note})" for note in self.notes), header]
        times = self.index
        for step in range(min(self.horizon, SHOWN_STEPS)):
            cells = "".join(f"{values[step]:>12.6g}" for _, values in quantiles)
            lines.append(f"  {times[step]!s:<25}{cells}")
        if self.horizon > SHOWN_STEPS:
            lines.append(f"  … until {times[-1]}; --output FILE.csv writes all")
        return "\n".join([*lines, ""])

    def __str__(self) -> str:
        first, last = self.index[0], self.index[-1]
        text = f"{self.input}: {self._steps} from {first} to {last}; "
        text += f"median {self.median[0]:.6g} … {self.median[-1]:.6g}"
        if self._is_point:
            return text
        low, high = self.quantile(0.1), self.quantile(0.9)
        return f"{text}, 80 % between {low[-1]:.6g} and {high[-1]:.6g} at the end"

    def plot(
        self,
        axes: Axes | None = None,
        *,
        history: int | None = None,
        actual: ArrayLike | None = None,
    ) -> Axes:
        """Plot the end of the series and the forecast with its 50 % and 80 % intervals.

        Args:
            axes: matplotlib's; default: of a new figure.
            history: steps of the series before the forecast; default: four horizons.
            actual: the actual values, to be plotted over the forecast.

        Returns:
            The axes, to draw more on them; `save` writes the picture as it is.

        Raises:
            UsageError: `actual` is not one number per step, or `history` is not a number of steps.
            MissingPackageError: matplotlib is not installed.
        """
        if history is not None and (not isinstance(history, int | np.integer) or history < 1):
            raise UsageError(f"history must be a number of steps, 1 or more, not {history!r}.")
        values = None if actual is None else self._checked(actual)
        if axes is None:
            axes = figure(1)[1][0]
        dates: Any = import_module("matplotlib.dates")
        count = min(
            len(self.series), PLOTTED_HORIZONS * self.horizon if history is None else history
        )
        past = self.series.index(len(self.series) - count, count)
        axes.plot(
            past, self.series.target[-count:], color="#333333", linewidth=1.1, label="observed"
        )
        times = self.index
        steps = best_season(self.series.target, self.series.freq)
        if steps > 1:
            last = SeasonalNaive(steps).point(self.series.target, self.horizon)
            label = f"{steps} steps ago"
            axes.plot(times, last, color="#999999", linewidth=0.9, linestyle="--", label=label)
        intervals = () if self._is_point else zip(INTERVALS, (0.18, 0.32), strict=True)
        for (low, high), alpha in intervals:
            label = f"{round(100 * (high - low))} % interval"
            bounds = self.quantile(low), self.quantile(high)
            axes.fill_between(
                times, *bounds, color="#1f6fb4", alpha=alpha, linewidth=0, label=label
            )
        axes.plot(times, self.median, color="#1f6fb4", linewidth=1.6, label="median")
        if values is not None:
            axes.plot(times[: len(values)], values, color="#d1495b", linewidth=1.1, label="actual")
        axes.set_title(self.input, fontsize=10, loc="left")
        axes.margins(x=0.01)
        if self.series.dated:
            zone = self.series.start.tz
            locator = dates.AutoDateLocator(maxticks=9, tz=zone)
            axes.xaxis.set_major_locator(locator)
            axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=4)
        return axes


def _texts(index: Any) -> list[str]:
    """Timestamps in ISO 8601, or numbers of steps."""
    return [step.isoformat() if hasattr(step, "isoformat") else str(step) for step in index]


def figure(rows: int) -> tuple[Figure, list[Axes]]:
    """A figure with one pair of axes per series, below each other; made without a window.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", extra="plot", purpose="to plot forecasts")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 3.2 * rows), layout="constrained", dpi=110)
    FigureCanvasAgg(drawing)
    return drawing, list(drawing.subplots(rows, 1, squeeze=False)[:, 0])
