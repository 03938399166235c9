"""Options of forecasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from warmstart.core.options import BatchOptions, Option
from warmstart.series.results import QUANTILES

SAMPLES = 100
Samples = Annotated[
    int, Option("Number of sample paths per series, for models that sample.", ge=1, le=100_000)
]
Seed = Annotated[int, Option("Random seed; the same seed gives the same samples.", ge=0)]


@dataclass(frozen=True, kw_only=True)
class TableOptions(BatchOptions):
    """How tables of series are read."""

    freq: Annotated[
        str | None,
        Option(
            "Frequency, a pandas alias such as h, D or MS, if the timestamps do not show it.",
            max_length=20,
        ),
    ] = None
    target: Annotated[str | None, Option("Column of the values.")] = None
    item: Annotated[
        str | Sequence[str] | None,
        Option(
            "Column with the names of the series, or several columns that together form the name.",
            rare=True,
        ),
    ] = None
    timestamp: Annotated[str | None, Option("Column of the timestamps.")] = None
    date_format: Annotated[
        str | None,
        Option(
            "Format of the timestamps, such as %d/%m/%Y, if the column does not show it; "
            "excel, unix or steps for numbers.",
            max_length=60,
            rare=True,
        ),
    ] = None
    decimal: Annotated[
        Literal[".", ","] | None,
        Option("Decimal separator of numbers in text, if the column does not show it.", rare=True),
    ] = None
    duplicates: Annotated[
        Literal["error", "first", "last", "sum", "mean"],
        Option("How to merge rows of a series with the same timestamp.", rare=True),
    ] = "error"


@dataclass(frozen=True, kw_only=True)
class ForecastOptions(TableOptions):
    """Options of forecasting."""

    horizon: Annotated[
        int | None,
        Option(
            "Number of steps to forecast; default: the horizon that the model was trained for.",
            ge=1,
            le=100_000,
        ),
    ] = None
    quantiles: Annotated[
        Sequence[float],
        Option("Quantile levels in tables and plots.", gt=0, lt=1),
    ] = QUANTILES
    samples: Samples = SAMPLES
    seed: Seed = 0
    parameters: Annotated[
        bool,
        Option(
            "Return the parameters of the distribution at each step, if the model has them.",
            http=False,
            cli=False,
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(TableOptions):
    """Options of a backtest."""

    horizon: Annotated[
        int | None,
        Option(
            "Number of steps in a window; default: the horizon that the model was trained for.",
            ge=1,
            le=100_000,
        ),
    ] = None
    windows: Annotated[
        int,
        Option(
            "Number of windows per series; the last one ends with the series.", ge=1, le=100_000
        ),
    ] = 1
    stride: Annotated[
        int | None,
        Option("Number of steps from one window to the next; default: the horizon.", ge=1),
    ] = None
    season: Annotated[
        int | None,
        Option("Season length in steps, for MASE; default: that of the frequency.", ge=1),
    ] = None
    samples: Samples = SAMPLES
    seed: Seed = 0
