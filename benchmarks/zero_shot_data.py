"""The series of the zero-shot benchmark as plain arrays, for both sides: needs numpy and pandas.

None of them is trained on. Generated ones come from code that shares nothing with the corpus of
`scripts/synthetic_series.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Case:
    """A series and how it is judged.

    Attributes:
        values: float64 (T,).
        freq, start: of its timestamps.
        season: steps, for AutoETS; 1 for none.
        horizon, windows, stride: of the backtest; the last window ends with the series.
    """

    name: str
    values: np.ndarray
    freq: str
    start: str
    season: int
    horizon: int
    windows: int
    stride: int

    def origins(self) -> list[int]:
        last = len(self.values) - self.horizon
        return [last - n * self.stride for n in reversed(range(self.windows))]


def cases(folder: Path, sunspots: np.ndarray) -> list[Case]:
    """All of them.

    Args:
        folder: with taylor.csv, ausbeer.csv, us_gasoline.csv, AirPassengers.csv and temps.csv.
        sunspots: a number for each year from 1700 on (statsmodels.datasets.sunspots).
    """
    hours = pd.read_csv(folder / "taylor.csv").iloc[:, 0].to_numpy(float).reshape(-1, 2).sum(1)
    beer = pd.read_csv(folder / "ausbeer.csv")["Y"].dropna().to_numpy(float)
    fuel = pd.read_csv(folder / "us_gasoline.csv")["Gasoline"].to_numpy(float)[::-1]
    air = pd.read_csv(folder / "AirPassengers.csv").iloc[:, 1].to_numpy(float)
    temps = pd.to_numeric(pd.read_csv(folder / "temps.csv").iloc[:, 1], errors="coerce")
    celsius = temps.interpolate().to_numpy(float)
    return [
        Case("taylor", hours, "h", "2000-06-05", 24, 48, 10, 48),
        Case("sunspots", sunspots, "YS", "1700-01-01", 1, 10, 10, 10),
        Case("ausbeer", beer, "QS", "1956-01-01", 4, 8, 10, 8),
        Case("gasoline", fuel, "W-FRI", "1991-02-01", 52, 13, 10, 13),
        Case("air passengers", air, "MS", "1949-01-01", 12, 12, 7, 12),
        Case("temperature, °C", celsius, "D", "1981-01-01", 7, 14, 20, 28),
        Case("temperature, K", celsius + 273.15, "D", "1981-01-01", 7, 14, 20, 28),
        *made(),
    ]


def made() -> Iterator[Case]:
    """Generated series, all from one seed."""
    random = np.random.default_rng(2024)
    hours = np.arange(24 * 7 * 8)
    day = 1 + 0.5 * np.exp(-(((hours % 24) - 19) ** 2) / 12) + 0.3 * np.sin(hours / 24 * 2 * np.pi)
    week = np.where(hours // 24 % 7 >= 5, 0.8, 1.0)
    wander = np.cumsum(random.normal(0, 0.004, len(hours)))
    load = 5000 * day * week * (1 + wander) * random.normal(1, 0.03, len(hours))
    yield Case("electricity", load, "h", "2024-01-01", 24, 24, 14, 24)
    days = np.arange(400)
    rate = 6 * np.array([1.0, 0.9, 1.1, 1.2, 1.6, 2.2, 0.5])[days % 7]
    counts = random.negative_binomial(4, 4 / (4 + rate)).astype(float)
    yield Case("counts", counts, "D", "2023-01-02", 7, 14, 10, 14)
    walk = 50 + np.cumsum(random.normal(0, 0.5, 600))
    yield Case("random walk", walk, "D", "2022-01-01", 7, 14, 12, 21)
    months = np.arange(120)
    shift = 200 + 80 * (months >= 70) + random.normal(0, 8, 120)
    yield Case("level shift", shift, "MS", "2014-01-01", 12, 6, 8, 5)
    days = np.arange(210)
    pattern = 100 + 40 * np.array([0, 1, 1, 2, 3, -2, -3])[days % 7] / 2
    pattern = pattern + 0.1 * days + random.normal(0, 6, 210)
    yield Case("weekly pattern", pattern, "D", "2024-01-01", 7, 14, 8, 7)
    days = np.arange(500)
    orders = (
        300 + np.cumsum(random.normal(0, 2, 500)) + 30 * np.array([1, 0.2, 0, -0.2, -1])[days % 5]
    )
    orders = orders + 12 * random.standard_t(4, 500)
    yield Case("business days", orders, "B", "2022-01-03", 5, 10, 12, 10)
