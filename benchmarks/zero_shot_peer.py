"""The peer's side of the zero-shot benchmark, run by a Python that has statsforecast and
statsmodels: AutoETS on each window, and the sunspots.

    python benchmarks/zero_shot_peer.py SERIES OUTPUT.json
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import statsforecast
from statsforecast.models import AutoETS
from statsmodels.datasets import sunspots

from zero_shot_data import cases

INTERVALS = (20, 40, 60, 80)


def quantiles(values: np.ndarray, season: int, horizon: int) -> list[list[float]]:
    """0.1 to 0.9 of the next steps, (9, horizon)."""
    forecast = AutoETS(season_length=season).forecast(values, horizon, level=list(INTERVALS))
    low = [forecast[f"lo-{level}"] for level in reversed(INTERVALS)]
    high = [forecast[f"hi-{level}"] for level in INTERVALS]
    return [np.asarray(row, float).tolist() for row in (*low, forecast["mean"], *high)]


def main() -> None:
    folder, output = map(Path, sys.argv[1:])
    spots = sunspots.load_pandas().data["SUNACTIVITY"].to_numpy(float)
    result = {"sunspots": spots.tolist(), "version": statsforecast.__version__, "series": {}}
    for case in cases(folder, spots):
        result["series"][case.name] = [
            quantiles(case.values[:origin], case.season, case.horizon) for origin in case.origins()
        ]
        print(case.name, flush=True)
    output.write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
