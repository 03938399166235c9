"""Our side of the forecasting benchmark: one job in one process; see `forecasting.py`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import warmstart as ws
from forecasting_data import Clock, load, serve
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
        validation=False,
        epochs=job["steps"] // 50,
        batches_per_epoch=50,
        batch_size=32,
        seed=job["seed"],
        items=job["items"],
        sampling=job["sampling"],
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
            "embedded": embedded,
            "memory": memory,
            "chronos": chronos,
        }
    )
