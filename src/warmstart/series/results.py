"""What a forecaster answers for one series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from warmstart.errors import UsageError, require
from warmstart.series.time_series import TimeSeries

if TYPE_CHECKING:
    import pandas as pd

PLOTTED_HORIZONS = 4  # of history before a forecast in a plot
INTERVALS = ((0.1, 0.9), (0.25, 0.75))


@dataclass(frozen=True, eq=False)
class Forecast:
    """The future of one series, as a distribution at each step.

    Attributes:
        input: name of the series.
        model: name of the model.
        series: the series itself.
        horizon: steps.
        quantiles: levels that tables and plots show.
        samples: float32 (S, horizon) futures drawn from the model; None where it gives quantiles only.
        given: quantiles by level, float32 (horizon,), where it gives these only.
        parameters: the distribution's parameters for each sample and step, where they were asked for.
    """

    input: str
    model: str
    series: TimeSeries
    horizon: int
    quantiles: tuple[float, ...]
    samples: np.ndarray | None = None
    given: Mapping[float, np.ndarray] = field(default_factory=dict)
    parameters: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def index(self) -> pd.DatetimeIndex:
        """Timestamps of the steps."""
        return self.series.index(len(self.series), self.horizon)

    @property
    def mean(self) -> np.ndarray:
        """Mean of the samples, float64 (horizon,); of a model that gives quantiles only, its median."""
        return self.quantile(0.5) if self.samples is None else self.samples.mean(0, dtype=np.float64)

    @property
    def median(self) -> np.ndarray:
        return self.quantile(0.5)

    def quantile(self, level: float) -> np.ndarray:
        """The value that a share `level` of futures stays below, float64 (horizon,).

        Of samples it is the one at place round((S - 1) * level), as GluonTS takes it; between given quantiles it is
        interpolated, and beyond the outermost ones it is these.

        Raises:
            UsageError: the level is not between 0 and 1.
        """
        if not 0 <= level <= 1:
            raise UsageError(f"A quantile's level is between 0 and 1, not {level}.")
        if self.samples is not None:
            place = round((len(self.samples) - 1) * level)
            return np.partition(self.samples, place, axis=0)[place].astype(np.float64)
        levels = sorted(self.given)
        values = np.stack([self.given[known] for known in levels])  # (L, horizon)
        return np.array([np.interp(level, levels, column) for column in values.T])

    def to_frame(self) -> pd.DataFrame:
        """A table with a row per step: `item_id`, `timestamp`, `mean`, and a column per quantile (`"0.9"`)."""
        import pandas as pd

        table = {"item_id": self.input, "timestamp": self.index, "mean": self.mean}
        return pd.DataFrame(table | {f"{level:g}": self.quantile(level) for level in self.quantiles})

    def to_dict(self) -> dict[str, Any]:
        return {
            "input": self.input, "model": self.model, "freq": self.series.freq,
            "timestamps": [time.isoformat() for time in self.index], "mean": _rounded(self.mean),
            "quantiles": {f"{level:g}": _rounded(self.quantile(level)) for level in self.quantiles},
        }

    def __str__(self) -> str:
        first, last = self.index[0], self.index[-1]
        low, high = self.quantile(0.1), self.quantile(0.9)
        return (f"{self.input}: {self.horizon} steps of {self.series.freq} from {first} to {last}; "
                f"median {self.median[0]:.6g} … {self.median[-1]:.6g}, "
                f"80 % between {low[-1]:.6g} and {high[-1]:.6g} at the end")

    def plot(self, axes: Any = None, *, history: int | None = None,
             actual: Sequence[float] | np.ndarray | None = None) -> Any:
        """Draw the forecast behind the end of its series, with its 50 % and 80 % intervals.

        Args:
            axes: matplotlib's; default: of a new figure.
            history: steps of the series before the forecast; default: four horizons.
            actual: what came, to be drawn over the forecast.

        Returns:
            The axes; `axes.figure.savefig("forecast.png")` writes the picture.

        Raises:
            MissingPackageError: matplotlib is not installed.
        """
        if axes is None:
            axes = figure(1)[1][0]
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        count = min(len(self.series), PLOTTED_HORIZONS * self.horizon if history is None else history)
        past = self.series.index(len(self.series) - count, count)
        axes.plot(past, self.series.target[-count:], color="#333333", linewidth=1.1, label="observed")
        times = self.index
        for (low, high), shade in zip(INTERVALS, (0.18, 0.32), strict=True):
            axes.fill_between(times, self.quantile(low), self.quantile(high), color="#1f6fb4", alpha=shade, linewidth=0,
                              label=f"{round(100 * (high - low))} % interval")
        axes.plot(times, self.median, color="#1f6fb4", linewidth=1.6, label="median")
        if actual is not None:
            axes.plot(times, actual, color="#d1495b", linewidth=1.1, label="actual")
        axes.set_title(self.input, fontsize=10, loc="left")
        axes.margins(x=0.01)
        dates = AutoDateLocator(maxticks=9)
        axes.xaxis.set_major_locator(dates)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(dates))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8, frameon=False, loc="upper left", ncols=4)
        return axes


def figure(rows: int) -> tuple[Any, list[Any]]:
    """A figure with one pair of axes per series, below each other; drawn without a window.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    require("matplotlib", extra="plot", purpose="to plot forecasts")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(9, 3.2 * rows), layout="constrained", dpi=110)
    FigureCanvasAgg(drawing)
    return drawing, list(drawing.subplots(rows, 1, squeeze=False)[:, 0])


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values]
