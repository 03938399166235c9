"""The backtest of a trained forecaster, and what report and card show of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from PIL import Image

from warmstart.catalog import Entry
from warmstart.core.model import drive
from warmstart.engines.keras import KerasEngine
from warmstart.errors import MissingPackageError, require
from warmstart.models.series.deepar.family import PARAMETERS
from warmstart.series import frequency, sampler
from warmstart.series.features import Past, Recipe
from warmstart.series.forecasting import Forecaster
from warmstart.series.metrics import LEVELS, Scores, seasonal_naive
from warmstart.series.results import Forecast, figure
from warmstart.series.sampler import BATCH
from warmstart.series.time_series import TimeSeries
from warmstart.training import charts
from warmstart.training.page import Section
from warmstart.training.report import columns, pictures, table, text

MOST_SERIES, DRAWN, SAMPLES = 500, 6, 100
SHOWN = ("mean_wQL", "CRPS", "ND", "MASE", "sMAPE", "coverage_80", "coverage_60")


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the validation steps: metrics, those of seasonal naive, calibration, some to
    draw.
    """

    count: int
    metrics: Mapping[str, float]
    naive: Mapping[str, float]
    calibration: Mapping[float, float]
    drawn: Sequence[tuple[Forecast, np.ndarray]]


def backtest(entry: Entry, network: keras.Model, many: Sequence[TimeSeries]) -> Backtest | None:
    """Forecast the last horizon of the series, of at most 500 of them; None where all are too
    short.
    """
    recipe = Recipe.from_dict(entry.processing)
    horizon, season = recipe.horizon, frequency.season(recipe.freq)
    usable = [
        one for one in many if len(one) > horizon and np.isfinite(one.target[:-horizon]).any()
    ]
    if not usable:
        return None
    chosen = [
        usable[n]
        for n in np.unique(np.linspace(0, len(usable) - 1, MOST_SERIES).round().astype(int))
    ]
    engine = KerasEngine(Forecaster.program(entry, network))
    ours, naive, drawn = Scores(season), Scores(season), []
    show = set(np.linspace(0, len(chosen) - 1, DRAWN).round().astype(int).tolist())
    size = max(1, BATCH // SAMPLES)
    for first in range(0, len(chosen), size):
        whole = chosen[first : first + size]
        heads = [one.head(len(one) - horizon) for one in whole]
        samples, _ = drive(
            sampler.sample(
                engine,
                Past.of(heads, recipe, horizon),
                recipe,
                horizon,
                SAMPLES,
                PARAMETERS[entry.config["distribution"]],
                [(0, first + n) for n in range(len(heads))],
            )
        )
        for n, (one, head) in enumerate(zip(whole, heads, strict=True)):
            forecast = Forecast(one.name, entry.name, head, horizon, (0.1, 0.5, 0.9), samples[n])
            actual = one.target[-horizon:]
            ours.add(actual, head.target, forecast.quantile, samples[n])
            point = seasonal_naive(head.target, season, horizon)
            naive.add(actual, head.target, dict.fromkeys(LEVELS, point).__getitem__)
            if first + n in show:
                drawn.append((forecast, actual))
    return Backtest(len(chosen), ours.result(), naive.result(), ours.calibration(), drawn)


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
    metrics, naive = backtest.metrics, backtest.naive
    rows = []
    for name in SHOWN:
        if name in metrics:
            other = f"{naive[name]:.4f}" if name in naive and "coverage" not in name else ""
            rows.append((name, f"{metrics[name]:.4f}", other))
    calibration = charts.lines(
        {"share below the quantile": sorted(backtest.calibration.items())},
        x="quantile",
        y="share of actual values below it",
        span=(0, 1),
        bounds=(0, 1),
        diagonal=True,
    )
    return [
        (f"Forecasts of the last {recipe.horizon} steps", _plots(backtest.drawn)),
        ("Accuracy", columns(table(["metric", "model", "seasonal naive"], rows), calibration)),
    ]


def _plots(drawn: Sequence[tuple[Forecast, np.ndarray]]) -> str:
    try:
        require("matplotlib", extra="plot", purpose="to plot forecasts")
    except MissingPackageError as error:
        return text(str(error))
    images = []
    for forecast, actual in drawn:
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
        rows = (
            f"\nOn the last {recipe.horizon} steps of {backtest.count} series, set aside while training:\n\n"
            "| metric | model | seasonal naive |\n|---|---|---|\n"
        )
        rows += "".join(
            f"| {name} | {backtest.metrics[name]:.4f} | {backtest.naive[name]:.4f} |\n"
            for name in ("mean_wQL", "ND", "MASE", "sMAPE")
        )
        rows += f"\n{backtest.metrics['coverage_80']:.0%} of the actual values lie in the 80 % interval.\n"
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
| reads | {recipe.context} steps, and values at lags up to {max(recipe.lags)} |
| forecasts | {recipe.horizon} steps, or as many as are asked for |
| covariates known in advance | {known} |
| paper | {entry.paper} |
{rows}
```python
import warmstart as ws

ws.load("path/of/this/folder")("series.csv")[0].plot()
```
"""
