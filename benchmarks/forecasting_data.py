"""The series of the benchmark as plain arrays, for both sides: needs numpy and pandas only."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Split = tuple[dict[str, np.ndarray], dict[str, np.ndarray], str, str]


def m4_hourly(folder: Path) -> Split:
    """(what may be trained on, whole series, frequency, start): the official split, horizon 48."""
    past, future = (
        pd.read_csv(folder / "m4" / f"Hourly-{part}.csv", index_col=0) for part in ("train", "test")
    )
    train = {str(name): row.dropna().to_numpy(float) for name, row in past.iterrows()}
    whole = {
        name: np.concatenate([values, future.loc[name].dropna().to_numpy(float)])
        for name, values in train.items()
    }
    return train, whole, "h", "2000-01-01"


def columns(folder: Path, file: str, kept: int, freq: str, start: str) -> Split:
    """A wide file whose last `kept` rows are held out."""
    table = pd.read_csv(folder / file).drop(columns="date", errors="ignore")
    whole = {str(name): table[name].to_numpy(float) for name in table}
    return {name: values[:-kept] for name, values in whole.items()}, whole, freq, start


FINETUNED = {
    "AirPassengers": (12, 3),
    "us_gasoline": (13, 8),
    "ausbeer": (8, 5),
    "etth1": (48, 7),
    "exchange_rate": (30, 5),
}
"""Data sets of the part on fine-tuning -> (horizon, windows): what lies before the first window may
be trained on.
"""


SHORT = {
    "24 months": ("MS", 12, 24, 12, 1),
    "8 quarters": ("QS", 4, 8, 4, 1),
    "2 days of 15 minutes": ("15min", 96, 192, 24, 1),
    "3 days of hours": ("h", 24, 72, 24, 1),
    "20 items of 24 months": ("MS", 12, 24, 12, 20),
}
"""Short histories of the part on them: frequency, season, steps of history, horizon, series."""


def single(folder: Path, name: str, column: str, freq: str, times: str) -> Split:
    """A file of one series, whose last windows are held out; in any order of its rows."""
    table = pd.read_csv(folder / f"{name}.csv")
    dates = pd.to_datetime(table[times])
    order = np.argsort(dates.to_numpy())
    values = table[column].to_numpy(float)[order]
    horizon, windows = FINETUNED[name]
    start = str(dates.min().date())
    return {name: values[: -horizon * windows]}, {name: values}, freq, start


def load(folder: Path, name: str) -> Split:
    if name == "m4_hourly":
        return m4_hourly(folder)
    if name == "AirPassengers":
        return single(folder, name, "#Passengers", "MS", "Month")
    if name == "us_gasoline":
        return single(folder, name, "Gasoline", "W-FRI", "Week")
    if name == "ausbeer":
        return single(folder, name, "Y", "QS", "date")
    if name == "exchange_rate":
        return columns(folder, "exchange_rate.csv", 5 * 30, "B", "1990-01-01")
    return columns(folder, "ETTh1.csv", 7 * 48, "h", "2016-07-01")


class Clock:
    """Seconds of wall clock, and of processor time of this process and its threads."""

    def __init__(self) -> None:
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {
            "wall": time.perf_counter() - self.wall,
            "processor": time.process_time() - self.processor,
        }


def serve(kinds: dict[str, Callable[[dict[str, Any]], dict[str, Any]]]) -> None:
    """Run the job that stands as JSON on the command line; its result is the last line of output."""
    job = json.loads(sys.argv[1])
    print("RESULT " + json.dumps(kinds[job["kind"]](job)), flush=True)
