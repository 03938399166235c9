"""The forecaster inside the package: small, without TensorFlow, better than seasonal naive where it
has never been.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import warmstart as ws


def test_it_is_small_and_forecasts_any_hourly_series():
    folder = Path(ws.__file__).parent / "embedded" / "deepar_hourly"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 1e6
    hours = pd.date_range("2024-01-01", periods=24 * 40, freq="h")
    wave = 100 + 30 * np.sin(np.arange(len(hours)) / 24 * 2 * np.pi)
    forecast = ws.load("deepar_hourly")(pd.Series(wave, hours), horizon=24)
    assert np.abs(forecast.median - wave[:24]).mean() < 10
    assert "litert" in repr(ws.load("deepar_hourly", engine="litert"))


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e6])
def test_forecasts_do_not_depend_on_unit_and_zero(factor, shift):
    hours = pd.date_range("2024-01-01", periods=24 * 30, freq="h")
    noise = np.random.default_rng(0).normal(0, 2, len(hours))
    load = pd.Series(100 + 30 * np.sin(np.arange(len(hours)) / 24 * 2 * np.pi) + noise, hours)
    model = ws.load("deepar_hourly")
    ours, moved = model([load, load])[0], model([factor * load + shift])[0]
    width = ours.quantile(0.9) - ours.quantile(0.1)
    for level in (0.1, 0.5, 0.9):
        back = (moved.quantile(level) - shift) / factor
        assert np.abs(back - ours.quantile(level)).max() < 0.01 * width.mean()


def test_weekends_and_short_histories():
    hours = pd.date_range("2024-01-01", periods=24 * 35, freq="h")
    week = np.where(hours.day_of_week >= 5, 0.4, 1.0)
    load = pd.Series((50 + 30 * np.sin(np.arange(len(hours)) / 24 * 2 * np.pi)) * week, hours)
    model = ws.load("deepar_hourly")
    forecast = model(load[: 24 * 28], horizon=24 * 7)
    assert np.abs(forecast.median - load[24 * 28 :].to_numpy()).mean() < 3
    assert "adjusted for the season of 168 steps" in forecast.notes
    short = model(load[:20], horizon=24)
    assert "the forecast of last value: its 20 steps do not reach back the 24" in short.notes[0]
    assert short.median.min() > 0


@pytest.mark.parametrize(
    "values", [[1.7e308, -1.7e308] * 40, [1e-320] * 60, [0.0] * 60, [7.0] * 60]
)
def test_extreme_numbers_give_finite_forecasts(values):
    assert np.isfinite(ws.load("deepar_hourly")(values, horizon=5).samples).all()


@pytest.mark.shared
def test_it_beats_the_last_week_of_a_series_that_it_was_not_trained_on(shared_data):
    half_hours = pd.read_csv(shared_data / "series" / "taylor.csv").iloc[:, 0].to_numpy(float)
    demand = pd.Series(
        half_hours.reshape(-1, 2).sum(1), pd.date_range("2000-06-05", periods=2016, freq="h")
    )
    metrics = ws.load("deepar_hourly").evaluate(
        demand, horizon=48, windows=28, stride=24, season=168
    )
    assert metrics["count"] == 28
    assert metrics["mean_wQL"] < 0.85 * metrics["seasonal_naive"]["mean_wQL"]
    assert 0.6 < metrics["coverage_80"] < 0.95
