"""Our side of the forecasting benchmark: one job in one process; see `forecasting.py`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import warmstart as ws
from forecasting_data import SHORT, Clock, load, serve
from memory import peak_mb
from warmstart.series.time_series import TimeSeries


def series(
    values: dict[str, np.ndarray], freq: str, start: str, *, dated: bool
) -> list[TimeSeries]:
    return [
        TimeSeries(name, row, pd.Timestamp(start), freq, dated=dated)
        for name, row in values.items()
    ]


def deepar(job: dict[str, Any]) -> dict[str, Any]:
    """Train, forecast, backtest."""
    import keras

    folder = Path(job["data"])
    train, whole, freq, start = load(folder, job["series"])
    clocks: list[Clock] = []
    spent: list[dict[str, float]] = []
    timer = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: clocks.append(Clock()),
        on_train_end=lambda logs: spent.append(clocks[0].read()),
    )
    dated = job["series"] == "etth1"
    past = series(train, freq, start, dated=dated)
    model = ws.finetune(
        "deepar",
        past,
        horizon=job["horizon"],
        epochs=job["steps"] // 50,
        batches_per_epoch=50,
        batch_size=32,
        patience=None,  # every step is counted
        seed=job["seed"],
        callbacks=[timer],
    )
    model(past[:3], samples=100)  # the engine is there
    clock = Clock()
    forecasts = model(past, horizon=job["horizon"], samples=100)
    predicted = clock.read()
    assert len(forecasts) == len(past)
    found = model.evaluate(
        series(whole, freq, start, dated=dated),
        horizon=job["horizon"],
        windows=job["windows"],
        samples=100,
        seed=job["seed"],
    )
    return {
        "train": spent[0],
        "predict": predicted,
        "metrics": found,
        "parameters": model.entry.parameters,
    }


def finetuned(job: dict[str, Any]) -> dict[str, Any]:
    """Train with the defaults on what lies before the windows, and evaluate on them."""
    train, whole, freq, start = load(Path(job["data"]), job["series"])
    dated = job["series"] != "exchange_rate"
    model = ws.finetune(
        "deepar", series(train, freq, start, dated=dated), horizon=job["horizon"], seed=job["seed"]
    )
    metrics = model.evaluate(
        series(whole, freq, start, dated=dated),
        horizon=job["horizon"],
        windows=job["windows"],
        samples=200,
    )
    return {"metrics": metrics, "validation": model.method.validation}


def short(job: dict[str, Any]) -> dict[str, Any]:
    """Few seasons of 100 ± 20 with little noise: error and coverage of the steps that follow."""
    freq, season, steps, horizon, count = SHORT[job["history"]]
    random = np.random.default_rng(job["seed"])
    times = np.arange(steps + horizon)
    shifts = np.arange(count)[:, None] / max(count, 1)
    whole = 100 + 20 * np.sin(2 * np.pi * (times / season + shifts))
    whole += random.normal(0, 1, whole.shape)
    rows = {f"s{n}": row for n, row in enumerate(whole)}
    past = {name: row[:steps] for name, row in rows.items()}
    model = ws.finetune(
        "deepar",
        series(past, freq, "2020-01-01", dated=True),
        horizon=horizon,
        seed=job["seed"],
    )
    forecasts = model(series(past, freq, "2020-01-01", dated=True), horizon=horizon, samples=200)
    future = whole[:, steps:]
    median = np.stack([forecast.median for forecast in forecasts])
    low, high = (np.stack([f.quantile(q) for f in forecasts]) for q in (0.1, 0.9))
    return {
        "error": float(np.mean(np.abs(median - future) / future)),
        "coverage": float(np.mean((low <= future) & (future <= high))),
    }


def promotion(job: dict[str, Any]) -> dict[str, Any]:
    """A known promotion adds exactly 100 to noise around 200: the mean absolute error of 28 days."""
    random = np.random.default_rng(job["seed"])
    promoted = (random.random(328) < 0.2).astype(float)
    values = 200 + 100 * promoted + random.normal(0, 3, 328)
    days = pd.date_range("2023-01-01", periods=328, freq="D")
    table = pd.DataFrame({"timestamp": days, "target": values, "promoted": promoted})
    model = ws.finetune(
        "deepar", table[:300], horizon=28, known_covariates=["promoted"], seed=job["seed"]
    )
    future = table.copy()
    future.loc[300:, "target"] = np.nan
    (forecast,) = model(future, horizon=28, samples=200)
    return {"error": float(np.abs(forecast.median - values[300:]).mean())}


def embedded(job: dict[str, Any]) -> dict[str, Any]:
    """The embedded model on a series it has never seen."""
    values = (
        pd.read_csv(Path(job["data"]) / "taylor.csv")
        .iloc[:, 0]
        .to_numpy(float)
        .reshape(-1, 2)
        .sum(1)
    )
    demand = pd.Series(
        values, pd.date_range("2000-06-05", periods=len(values), freq="h"), name="taylor"
    )
    return ws.load("deepar").evaluate(demand, horizon=48, windows=28, stride=24, samples=200)


def memory(job: dict[str, Any]) -> dict[str, Any]:
    """Peak memory while forecasting so many series, one after the other out of an iterator."""
    model = ws.load("deepar")
    index = pd.date_range("2024-01-01", periods=500, freq="h")
    random = np.random.default_rng(0)

    def stream() -> Iterator[pd.Series]:
        for n in range(job["count"]):
            yield pd.Series(random.random(500), index, name=f"s{n}")

    clock, count, total = Clock(), 0, 0.0
    early = 0.0
    for forecast in model.stream(stream(), horizon=24, samples=job["samples"]):
        count += 1
        total += float(forecast.quantile(0.9).sum())
        if count == job["count"] // 10:
            early = peak_mb()
    return {
        "peak_mb": peak_mb(),
        "early_mb": early,
        "count": count,
        "time": clock.read(),
        "sum": total,
    }


def chronos(job: dict[str, Any]) -> dict[str, Any]:
    """Chronos-Bolt of the size of a repository with random weights, whole call."""
    model = ws.load(job["repository"])
    values = np.load(job["values"])
    model(list(values[:8]), freq="h")
    times = []
    for _ in range(job["rounds"]):
        clock = Clock()
        found = model(list(values), freq="h")
        times.append(clock.read())
    return {
        "engine": model.engine.name,
        "times": times,
        "median": np.stack([f.median for f in found]).tolist(),
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve(
        {
            "deepar": deepar,
            "finetuned": finetuned,
            "short": short,
            "promotion": promotion,
            "embedded": embedded,
            "memory": memory,
            "chronos": chronos,
        }
    )
