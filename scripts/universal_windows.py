"""Training windows of the embedded forecaster, stored in parts: synthetic and real series, each cut
at a random step, its past prepared as for a forecast.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import synthetic_series
from warmstart.series import universal
from warmstart.series.features import Recipe
from warmstart.series.time_series import TimeSeries
from warmstart.series.train.prepared_windows import Window, window

START = pd.Timestamp("2000-01-01")
CONTEXT, HORIZON = 64, 48
RECIPE = Recipe(
    "h",
    HORIZON,
    CONTEXT,
    universal.lags("h"),
    known=universal.INPUTS,
    calendar=False,
    scaling="recent",
    universal=True,
)
REAL_SHARE = 0.35
GROUPS = {"m4 hourly": 0.35, "m4 weekly": 0.25, "etth1": 0.12, "exchange rate": 0.1, "small": 0.18}


def real_series(folder: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """(frequency, values) of the real series that training sees, by group."""

    def m4(part: str) -> list[np.ndarray]:
        table = pd.read_csv(folder / "m4" / f"{part}-train.csv", index_col=0)
        return [row.dropna().to_numpy(float) for _, row in table.iterrows()]

    def columns(file: str, *left_out: str) -> list[np.ndarray]:
        table = pd.read_csv(folder / file).drop(columns=list(left_out))
        return [column.dropna().to_numpy(float) for _, column in table.items()]

    hours = columns("ETTh1.csv", "date")
    days = [values[: len(values) // 24 * 24].reshape(-1, 24).mean(1) for values in hours]
    return {
        "m4 hourly": [("h", values) for values in m4("Hourly")],
        "m4 weekly": [("W-SUN", values) for values in m4("Weekly")],
        "etth1": [("h", values) for values in hours] + [("D", values) for values in days],
        "exchange rate": [("B", values) for values in columns("exchange_rate.csv")],
        "small": [
            *(("MS", values) for values in columns("monthly-milk.csv", "Month")),
            *(("MS", values) for values in columns("wineind.csv", "date")),
            *(("MS", values) for values in columns("ice_cream_heater.csv", "Month")),
            *(("QS", values) for values in columns("woolyrnq.csv", "date")),
            *(("QS", values) for values in columns("australian_tourism.csv")),
        ],
    }


def cut(whole: np.ndarray, freq: str, origin: int) -> Window | None:
    """The window of a series whose horizon begins at step `origin`; None if it is unusable."""
    made = window(TimeSeries("", whole, START, freq), origin, RECIPE, HORIZON)
    is_usable = all(np.isfinite(array).all() for array in made.values())
    halves = {key: made[key].astype(np.float16) for key in ("lags", "features")}
    return made | halves if is_usable else None


def random_window(
    random: np.random.Generator, real: dict[str, list[tuple[str, np.ndarray]]]
) -> Window | None:
    """One of a synthetic series, or of a real one."""
    if random.random() >= REAL_SHARE:
        made = synthetic_series.series(random, HORIZON)
        return cut(made.values, made.freq, len(made.values) - HORIZON)
    group = str(random.choice(list(GROUPS), p=list(GROUPS.values())))
    freq, values = real[group][random.integers(len(real[group]))]
    scored = min(HORIZON, max(len(values) // 3, 4))
    origin = int(random.integers(8, len(values) - scored + 1))
    begin = 0 if random.random() < 0.5 else int(random.integers(0, max(origin - 8, 1)))
    begin = max(begin, origin - 2500)
    return cut(values[begin : origin + HORIZON], freq, origin - begin)


def write_part(path: Path, folder: Path, seed: int, count: int) -> None:
    """Store `count` windows; the same seed gives the same ones."""
    random, real = np.random.default_rng(seed), real_series(folder)
    windows: list[Window] = []
    while len(windows) < count:
        made = random_window(random, real)
        if made is not None:
            windows.append(made)
    unfinished = path.with_suffix(".new.npz")
    np.savez(unfinished, **{key: np.stack([one[key] for one in windows]) for key in windows[0]})
    unfinished.rename(path)


def read_part(path: Path) -> Window:
    with np.load(path) as arrays:
        return dict(arrays)
