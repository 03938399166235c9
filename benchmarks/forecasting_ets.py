"""AutoETS of statsforecast on the windows of the forecasting benchmark, run by a Python that has it."""

from __future__ import annotations

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from forecasting_data import load, serve

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SEASONS = {"MS": 12, "W-FRI": 52, "QS": 4, "h": 24, "B": 5}
LONGEST = 2500
"""Steps of history; more changes little and takes long."""


def quantiles(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """(9, horizon) of the model that AutoETS chooses."""
    from statsforecast.models import AutoETS

    model = AutoETS(season_length=season).fit(past[-LONGEST:])
    forecast = model.predict(horizon, level=[20, 40, 60, 80])
    low = [forecast[f"lo-{level}"] for level in (80, 60, 40, 20)]
    high = [forecast[f"hi-{level}"] for level in (20, 40, 60, 80)]
    return np.stack([*low, forecast["mean"], *high])


def autoets(job: dict[str, Any]) -> dict[str, Any]:
    """Refitted before each window; losses as `gluonts.evaluation` has them."""
    _, whole, freq, _ = load(Path(job["data"]), job["series"])
    horizon, losses, actual, covered = job["horizon"], np.zeros(len(LEVELS)), 0.0, []
    levels = np.array(LEVELS)[:, None]
    for values in whole.values():
        for window in range(job["windows"]):
            origin = len(values) - (window + 1) * horizon
            truth = values[origin : origin + horizon]
            table = quantiles(values[:origin], SEASONS[freq], horizon)
            losses += 2 * np.abs((table - truth) * ((truth <= table) - levels)).sum(1)
            actual += np.abs(truth).sum()
            covered.append((table[0] < truth) & (truth <= table[-1]))
    return {
        "metrics": {
            "mean_wQL": float(losses.mean() / actual),
            "coverage_80": float(np.mean(covered)),
        },
        "versions": {"statsforecast": version("statsforecast")},
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    serve({"autoets": autoets})
