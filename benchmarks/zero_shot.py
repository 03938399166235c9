"""Measure forecasts of series that a model never saw: the embedded model beside AutoETS and the
last season, on the same windows.

    python benchmarks/zero_shot.py --data SERIES --reference PYTHON --work FOLDER

SERIES is a folder with taylor.csv, ausbeer.csv, us_gasoline.csv, AirPassengers.csv and temps.csv;
PYTHON has statsforecast and statsmodels (`zero_shot_peer.py`), whose forecasts are stored in FOLDER
and taken from there the next time. Ratios are of the mean weighted quantile loss, 0.1 to 0.9.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import warmstart as ws
from figures import marked
from warmstart.series import baselines, frequency, smoothing_fit
from warmstart.series.adjustment import Adjustment
from warmstart.series.metrics import LEVELS, Scores, quantiles_of
from warmstart.series.time_series import TimeSeries
from zero_shot_data import Case, cases

HERE = Path(__file__).parent
SAMPLES, SEED = 200, 0
BARS = {
    "geometric mean of ratios to AutoETS": (0.0, 0.95),
    "worst ratio to AutoETS": (0.0, 1.5),
    "geometric mean of ratios to the best seasonal naive": (0.0, 0.85),
    "mean coverage of the 80 % interval": (0.75, 0.87),
    "lowest coverage": (0.6, 1.0),
    "highest coverage": (0.0, 0.95),
}
"""Lowest and highest value that is good enough."""
M4_BAR = 0.045
PARTS = {
    "network": "the network alone",
    "smoothing": "adjustment and smoothing without the network",
    "naive": "seasonal naive of the season after which the past changed least",
}
Method = Callable[[list[TimeSeries], int], list[Any]]
"""(pasts, horizon) -> forecasts, each with `quantile`."""


@dataclass(frozen=True)
class Row:
    """One series: losses and the coverage of the 80 % interval.

    Attributes:
        naive: the lowest loss of the last value and of the last season of each length, with
            intervals.
    """

    name: str
    windows: int
    ours: float
    ets: float
    naive: float
    naive_name: str
    coverage: float
    ets_coverage: float


def reference(options: argparse.Namespace) -> dict[str, Any]:
    """The peer's forecasts, and the sunspots."""
    stored = options.work / "autoets.json"
    if not stored.exists():
        options.work.mkdir(parents=True, exist_ok=True)
        command = [str(options.reference), str(HERE / "zero_shot_peer.py")]
        subprocess.run([*command, str(options.data), str(stored)], check=True)
    found: dict[str, Any] = json.loads(stored.read_text("utf-8"))
    return found


def score(case: Case, forecasts: list[Any], ets: list[Any]) -> Row:
    """Losses of one series over its windows."""
    season = max(case.season, 1)
    ours, theirs = Scores(season), Scores(season)
    seasons = [1, *frequency.seasons(case.freq)]
    naive = {length: Scores(season) for length in seasons}
    random = np.random.default_rng(SEED)
    for origin, forecast, given in zip(case.origins(), forecasts, ets, strict=True):
        past, actual = case.values[:origin], case.values[origin : origin + case.horizon]
        ours.add(actual, past, forecast.quantile)
        levels = dict(zip(LEVELS, np.array(given), strict=True))
        theirs.add(actual, past, levels.__getitem__)
        for length, scores in naive.items():
            if len(past) > length:
                paths = baselines.SeasonalNaive(length).samples(past, case.horizon, SAMPLES, random)
                scores.add(actual, past, quantiles_of(paths))
    losses = {length: scores.result()["mean_wQL"] for length, scores in naive.items()}
    best = min((length for length in losses if np.isfinite(losses[length])), key=losses.__getitem__)
    mine, peer = ours.result(), theirs.result()
    return Row(
        case.name,
        case.windows,
        mine["mean_wQL"],
        peer["mean_wQL"],
        losses[best],
        baselines.SeasonalNaive(best).name,
        mine["coverage_80"],
        peer["coverage_80"],
    )


def measured(method: Method, options: argparse.Namespace) -> list[Row]:
    """All series."""
    found, rows = reference(options), []
    for case in cases(options.data, np.array(found["sunspots"])):
        whole = TimeSeries(case.name, case.values, pd.Timestamp(case.start), case.freq)
        series = [whole.head(origin) for origin in case.origins()]
        rows.append(score(case, method(series, case.horizon), found["series"][case.name]))
    return rows


def alone(model: ws.Forecaster) -> ws.Forecaster:
    """The model with the samples of its network only."""
    entry = replace(model.entry, processing={**model.entry.processing, "smoothing": 0.0})
    return ws.Forecaster(entry, model.weights, (), folder=model.folder)


@dataclass(frozen=True)
class Paths:
    """Sample paths as a forecast: float64 (S, horizon)."""

    samples: np.ndarray

    def quantile(self, level: float) -> np.ndarray:
        return quantiles_of(self.samples)(level)


def by_smoothing(series: list[TimeSeries], horizon: int) -> list[Paths]:
    """Seasonal adjustment and exponential smoothing, without the network."""
    forecasts = []
    for number, item in enumerate(series):
        random = np.random.default_rng((SEED, number))
        adjustment = Adjustment.of(item.target, item.freq)
        (smoother,) = smoothing_fit.fit_adjusted([adjustment.removed(item.target)], horizon)
        forecasts.append(Paths(adjustment.added(smoother.paths(horizon, SAMPLES, random))))
    return forecasts


def by_naive(series: list[TimeSeries], horizon: int) -> list[Paths]:
    """The baseline of series that are too short: the season after which the past changed least."""
    forecasts = []
    for number, item in enumerate(series):
        random = np.random.default_rng((SEED, number))
        naive = baselines.SeasonalNaive(baselines.best_season(item.target, item.freq))
        forecasts.append(Paths(naive.samples(item.target, horizon, SAMPLES, random)))
    return forecasts


def by_model(model: ws.Forecaster) -> Method:
    """A model as a method."""
    return lambda series, horizon: model(series, horizon=horizon, samples=SAMPLES, seed=SEED)


def m4_hourly(model: ws.Forecaster, folder: Path) -> dict[str, Any]:
    """The official split, zero-shot: the series' past may have been trained on."""
    from forecasting_data import m4_hourly as load

    _, whole, freq, start = load(folder)
    series = [
        TimeSeries(name, values, pd.Timestamp(start), freq, dated=False)
        for name, values in whole.items()
    ]
    return model.evaluate(series, horizon=48, samples=100)


def summary(rows: list[Row]) -> dict[str, float]:
    ets = np.array([row.ours / row.ets for row in rows])
    naive = np.array([row.ours / row.naive for row in rows])
    covered = np.array([row.coverage for row in rows])
    return {
        "geometric mean of ratios to AutoETS": float(np.exp(np.log(ets).mean())),
        "worst ratio to AutoETS": float(ets.max()),
        "geometric mean of ratios to the best seasonal naive": float(np.exp(np.log(naive).mean())),
        "mean coverage of the 80 % interval": float(covered.mean()),
        "lowest coverage": float(covered.min()),
        "highest coverage": float(covered.max()),
    }


def table(rows: list[Row]) -> str:
    """Markdown."""
    lines = [
        "| series | windows | mean wQL | to AutoETS | to the best seasonal naive | coverage "
        "(AutoETS) |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row.name} | {row.windows} | {row.ours:.4f} | {row.ours / row.ets:.2f} | "
        f"{row.ours / row.naive:.2f} ({row.naive_name}) | {row.coverage:.0%} "
        f"({row.ets_coverage:.0%}) |"
        for row in rows
    ]
    return "\n".join(lines)


def page(result: dict[str, Any]) -> str:
    """Markdown of everything that was measured."""
    rows = [Row(**row) for row in result["model"]["rows"]]
    lines = [f"AutoETS is that of statsforecast {result['statsforecast']}.", "", table(rows), ""]
    lines += ["| what | measured | bar | result |", "|---|--:|--:|---|"]
    for what, value in result["model"]["summary"].items():
        low, high = BARS[what]
        verdict = "pass" if low <= value <= high else "**MISSED**"
        bar = f"{low}-{high}" if low and high < 1 else f"≥ {low}" if low else f"≤ {high}"
        lines.append(f"| {what} | {value:.3f} | {bar} | {verdict} |")
    if "m4" in result:
        loss = result["m4"]["mean_wQL"]
        verdict = "pass" if loss <= M4_BAR else "**MISSED**"
        lines.append(
            f"| M4 hourly, official split, mean wQL | {loss:.4f} | ≤ {M4_BAR} | {verdict} |"
        )
    for name, words in PARTS.items():
        if name in result:
            ets, _, naive, coverage, *_ = result[name]["summary"].values()
            lines.append(
                f"| {words}: to AutoETS, to the best seasonal naive, coverage | {ets:.3f}, "
                f"{naive:.3f}, {coverage:.3f} | | |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the series")
    parser.add_argument("--reference", type=Path, help="a Python with statsforecast")
    parser.add_argument("--work", type=Path, required=True, help="folder of the peer's forecasts")
    parser.add_argument("--model", default="deepar", help="name or folder; default: deepar")
    parser.add_argument("--markdown", type=Path, help="write the figures between their marks here")
    parser.add_argument("--parts", action="store_true", help="each part of the model alone, too")
    parser.add_argument("--m4", action="store_true", help="M4 hourly, too")
    options = parser.parse_args()
    model = ws.load(options.model, task="forecasting")
    methods: dict[str, Method] = {"model": by_model(model)}
    if options.parts:
        methods |= {
            "network": by_model(alone(model)),
            "smoothing": by_smoothing,
            "naive": by_naive,
        }
    result: dict[str, Any] = {"statsforecast": reference(options)["version"]}
    for name, method in methods.items():
        rows = measured(method, options)
        print(f"{name}\n{table(rows)}", flush=True)
        for what, value in summary(rows).items():
            print(f"{what}: {value:.3f}")
        result[name] = {"rows": [asdict(row) for row in rows], "summary": summary(rows)}
    if options.m4:
        found = m4_hourly(model, options.data)
        result["m4"] = {key: found[key] for key in ("mean_wQL", "coverage_80")}
        print(f"M4 hourly: {result['m4']}")
    if options.markdown:
        text = options.markdown.read_text("utf-8")
        options.markdown.write_text(marked(text, page(result), "zero-shot"), "utf-8")
    (options.work / "zero_shot.json").write_text(json.dumps(result, indent=1), "utf-8")


if __name__ == "__main__":
    main()
