"""The backtest of a trained forecaster, and what report and card show of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from PIL import Image

from warmstart.catalog import Entry
from warmstart.core.cancellation import drive
from warmstart.counts import counted
from warmstart.engines.keras import KerasEngine
from warmstart.errors import MissingPackageError, require
from warmstart.series.comparison import Best, Comparison, best
from warmstart.series.deepar import DeepAR
from warmstart.series.features import Recipe
from warmstart.series.forecasting import Forecaster
from warmstart.series.results import Forecast, figure
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.validation_windows import windows_before
from warmstart.training import charts
from warmstart.training.page import Section
from warmstart.training.report import columns, pictures, table, text

SHOWN_SERIES, SAMPLES = 6, 100
VALIDATION = ("mean_wQL", "MASE", "coverage_80")
SHOWN = ("mean_wQL", "CRPS", "ND", "MASE", "sMAPE", "coverage_80", "coverage_60")


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the validation steps.

    Attributes:
        count: of windows.
        metrics, naive, calibration: of the model, and of the last season as a point.
        baselines: metrics of each baseline with its intervals, by its name.
        examples: forecasts with what came, to be shown.
    """

    count: int
    metrics: Mapping[str, float]
    naive: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    calibration: Mapping[float, float]
    examples: Sequence[tuple[Forecast, np.ndarray]]

    @property
    def best_baseline(self) -> Best | None:
        """The baseline with the lowest loss."""
        return best(self.baselines)


def backtest(
    entry: Entry, network: keras.Model, series: Sequence[TimeSeries], windows: int = 1
) -> Backtest | None:
    """Forecast the windows at the end of the series that were set aside; None if all are too
    short.
    """
    recipe = Recipe.from_dict(entry.processing)
    horizon = recipe.horizon
    pasts, actual = windows_before(series, horizon, windows)
    if not pasts:
        return None
    engine = KerasEngine(Forecaster.program(entry, network))
    runner = DeepAR(entry)
    comparison, examples = Comparison(recipe.freq), []
    show = set(np.linspace(0, len(pasts) - 1, SHOWN_SERIES).round().astype(int).tolist())
    size = runner.batch_size(SAMPLES)
    for first in range(0, len(pasts), size):
        part = pasts[first : first + size]
        seeds = [(0, first + n) for n in range(len(part))]
        outputs = drive(runner.forecast(engine, part, horizon, SAMPLES, seeds, False))
        for n, past in enumerate(part):
            forecast = Forecast(
                past.name, entry.name, past, horizon, (0.1, 0.5, 0.9), samples=outputs[n]["samples"]
            )
            truth = actual[first + n]
            comparison.add(truth, forecast)
            if first + n in show:
                examples.append((forecast, truth))
    return Backtest(
        len(pasts),
        comparison.model.result(),
        comparison.naive.result(),
        comparison.baselines(),
        comparison.model.calibration(),
        examples,
    )


def validation(backtest: Backtest) -> dict[str, dict[str, float]]:
    """The metrics that are stored with the model and shown with every forecast."""
    rows = {"model": backtest.metrics, **backtest.baselines}
    return {
        name: {key: round(row[key], 5) for key in VALIDATION if np.isfinite(row[key])}
        for name, row in rows.items()
    }


def warnings(recipe: Recipe, backtest: Backtest | None) -> list[str]:
    """Warnings about the model, as sentences."""
    if recipe.baseline:
        return [
            "warning: the series are too short to learn from; the forecasts are those of seasonal "
            "naive, with intervals from its past errors"
        ]
    best = backtest.best_baseline if backtest else None
    if backtest is None or best is None or best.loss >= backtest.metrics["mean_wQL"]:
        return []
    return [
        f"warning: {best.name} is better (mean_wQL {best.loss:.4g}); use more history, a longer "
        "context or more epochs, or use the baseline"
    ]


def figures(backtest: Backtest) -> list[str]:
    """A line for each baseline."""
    return [
        f"{name}: mean_wQL {values['mean_wQL']:.4g}, MASE {values['MASE']:.4g}, "
        f"coverage of the 80 % interval {values['coverage_80']:.0%}"
        for name, values in backtest.baselines.items()
    ]


def tiles(backtest: Backtest | None) -> list[tuple[str, str]]:
    """The large figures of the report."""
    if backtest is None:
        return []
    return [
        (f"{backtest.metrics['mean_wQL']:.4f}", "mean weighted quantile loss"),
        (f"{backtest.naive['mean_wQL']:.4f}", "that of seasonal naive"),
        (f"{backtest.metrics['coverage_80']:.0%}", "of the actual values lie in the 80 % interval"),
    ]


def sections(recipe: Recipe, backtest: Backtest | None) -> list[Section]:
    """Forecasts and figures of the backtest."""
    if backtest is None:
        return []
    metrics = backtest.metrics
    names = list(backtest.baselines)
    rows = []
    for name in SHOWN:
        if name in metrics:
            values = (metrics[name], *(backtest.baselines[other][name] for other in names))
            rows.append((name, *(f"{value:.4f}" for value in values)))
    calibration = charts.lines(
        {"share below the quantile": sorted(backtest.calibration.items())},
        x="quantile",
        y="share of actual values below it",
        span=(0, 1),
        bounds=(0, 1),
        diagonal=True,
    )
    return [
        (
            f"Forecasts of {counted(recipe.horizon, 'step')}, set aside while training",
            _plots(backtest.examples),
        ),
        ("Accuracy", columns(table(["metric", "model", *names], rows), calibration)),
    ]


def _plots(examples: Sequence[tuple[Forecast, np.ndarray]]) -> str:
    try:
        require("matplotlib", extra="plot", purpose="to plot forecasts")
    except MissingPackageError as error:
        return text(str(error))
    images = []
    for forecast, actual in examples:
        drawing, axes = figure(1)
        forecast.plot(axes[0], actual=actual)
        file = io.BytesIO()
        drawing.savefig(file, format="png")
        images.append((Image.open(file), forecast.input))
    return pictures(images, 900)


def card(entry: Entry, recipe: Recipe, backtest: Backtest | None) -> str:
    """The model card of the bundle."""
    rows = ""
    if backtest is not None:
        names = list(backtest.baselines)
        rows = (
            f"\nIn {counted(backtest.count, 'window')} of {counted(recipe.horizon, 'step')} at the ends of the "
            "series, set aside "
            "while training:\n\n"
            f"| metric | model | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}\n"
        )
        for name in ("mean_wQL", "ND", "MASE", "sMAPE", "coverage_80"):
            values = [backtest.metrics[name], *(backtest.baselines[n][name] for n in names)]
            rows += f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} |\n"
        if recipe.baseline:
            rows += (
                "\nThe series were too short to learn from: the forecasts are those of seasonal naive, "
                "with intervals from its past errors.\n"
            )
        if recipe.pooled:
            rows += (
                f"\nForecasts are averages of the network's and of exponential smoothing, which has a "
                f"weight of {recipe.pooled:.0%}.\n"
            )
    known = ", ".join(recipe.known) or "none"
    return f"""---
license: {entry.licence}
library_name: warmstart
pipeline_tag: time-series-forecasting
---

# {entry.title}

| | |
|---|---|
| architecture | DeepAR, {entry.parameters:,} parameters, {entry.config["distribution"]} |
| frequency | {recipe.freq} |
| reads | {counted(recipe.context, "step")}, and values at lags up to {max(recipe.lags)} |
| forecasts | {counted(recipe.horizon, "step")}, or as many as requested |
| covariates known in advance | {known} |
| paper | {entry.paper} |
{rows}
```python
import warmstart as ws

ws.load("path/of/this/folder")("series.csv")[0].plot()
```
"""
