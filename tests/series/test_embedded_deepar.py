"""The forecaster inside the package: small, without TensorFlow, for series of any frequency that it
has never seen.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import warmstart as ws

SEASONS = {"15min": 96, "h": 24, "D": 7, "B": 5, "W-SUN": 52, "MS": 12, "QS": 4, "YS": 1}


def wave(freq, length, noise=1.0):
    """A series of one season, and what comes after it."""
    steps = np.arange(length + 8)
    period = SEASONS[freq] if SEASONS[freq] > 1 else 11
    values = 100 + 30 * np.sin(steps / period * 2 * np.pi)
    values = values + noise * np.random.default_rng(0).normal(size=len(steps))
    index = pd.date_range("2010-01-01", periods=length, freq=freq)
    return pd.Series(values[:length], index), values[length:]


def test_it_is_small_and_runs_without_tensorflow():
    folder = Path(ws.__file__).parent / "embedded" / "deepar"
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 3e6
    assert "litert" in repr(ws.load("deepar", engine="litert"))


def test_its_old_name_still_loads_it():
    assert ws.load("deepar_hourly").name == "deepar"


@pytest.mark.parametrize("freq", SEASONS)
def test_it_knows_the_season_of_every_frequency(freq):
    past, future = wave(freq, 5 * max(SEASONS[freq], 11))
    forecast = ws.load("deepar")(past, horizon=8)
    error = np.abs(forecast.median - future).mean()
    if SEASONS[freq] > 1:
        assert error < 6
        assert f"{SEASONS[freq]} steps" in " ".join(forecast.notes)
    else:  # years have no season: the network sees the cycle in the last steps
        assert error < 0.7 * np.abs(past.iloc[-1] - future).mean()


def test_series_of_different_frequencies_are_forecast_in_one_call_as_one_by_one():
    series = [wave("MS", 60)[0], wave("h", 200)[0], wave("MS", 48)[0]]
    model = ws.load("deepar")
    together = model(series, horizon=6)
    for ours, one in zip(together, [*series[:1]], strict=False):
        np.testing.assert_array_equal(ours.samples, model(one, horizon=6).samples)
    assert [len(one.median) for one in together] == [6, 6, 6]


def test_without_timestamps_the_season_is_looked_for():
    past, future = wave("D", 70)
    forecast = ws.load("deepar")(past.to_numpy(), horizon=8)
    assert "adjusted for the season of 7 steps" in forecast.notes
    assert np.abs(forecast.median - future).mean() < 6


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e6])
def test_forecasts_do_not_depend_on_unit_and_zero(factor, shift):
    load = wave("h", 24 * 30, noise=2.0)[0]
    model = ws.load("deepar")
    ours, moved = model([load, load])[0], model([factor * load + shift])[0]
    width = ours.quantile(0.9) - ours.quantile(0.1)
    for level in (0.1, 0.5, 0.9):
        back = (moved.quantile(level) - shift) / factor
        assert np.abs(back - ours.quantile(level)).max() < 0.01 * width.mean()


def test_weekends_and_short_histories():
    hours = pd.date_range("2024-01-01", periods=24 * 35, freq="h")
    week = np.where(hours.day_of_week >= 5, 0.4, 1.0)
    load = pd.Series((50 + 30 * np.sin(np.arange(len(hours)) / 24 * 2 * np.pi)) * week, hours)
    model = ws.load("deepar")
    forecast = model(load[: 24 * 28], horizon=24 * 7)
    assert np.abs(forecast.median - load[24 * 28 :].to_numpy()).mean() < 3
    assert "adjusted for the seasons of 24 and 168 steps" in forecast.notes
    assert "exponential smoothing has a weight of 50%" in forecast.notes
    short = model(load[:3], horizon=24)
    assert "the forecast of last value: it has 3 steps" in short.notes[0]
    assert short.median.min() > 0
    assert np.isfinite(model(load[:4], horizon=24).samples).all()


def test_counts_do_not_fall_below_zero():
    counts = np.random.default_rng(0).poisson(0.4, 200).astype(float)
    samples = ws.load("deepar")(counts, horizon=14).samples
    assert samples.min() == 0
    assert 0.1 < samples.mean() < 0.8


def test_parameters_are_those_of_the_networks_own_samples():
    forecast = ws.load("deepar")(wave("MS", 60)[0], horizon=6, samples=20, parameters=True)
    assert forecast.samples.shape == forecast.parameters["loc"].shape == (20, 6)
    assert not any("smoothing" in note for note in forecast.notes)


@pytest.mark.parametrize(
    "values", [[1.7e308, -1.7e308] * 40, [1e-320] * 60, [0.0] * 60, [7.0] * 60]
)
def test_extreme_numbers_give_finite_forecasts(values):
    assert np.isfinite(ws.load("deepar")(values, horizon=5).samples).all()


@pytest.mark.shared
def test_it_beats_the_last_week_of_a_series_that_it_was_not_trained_on(shared_data):
    half_hours = pd.read_csv(shared_data / "series" / "taylor.csv").iloc[:, 0].to_numpy(float)
    demand = pd.Series(
        half_hours.reshape(-1, 2).sum(1), pd.date_range("2000-06-05", periods=2016, freq="h")
    )
    metrics = ws.load("deepar").evaluate(demand, horizon=48, windows=28, stride=24, season=168)
    assert metrics["count"] == 28
    assert metrics["mean_wQL"] < 0.75 * metrics["seasonal_naive"]["mean_wQL"]
    assert 0.6 < metrics["coverage_80"] < 0.95


@pytest.mark.parametrize(
    "values",
    [[1.0, -1.0], [1.0, 0.25] * 20, [1.0, -1.0, 0.0] * 30, list(np.linspace(0.0, 1.0, 60))],
)
def test_series_at_the_limits_of_floats_have_finite_forecasts(values):
    forecast = ws.load("deepar")(np.finfo(float).max * np.array(values), horizon=5)
    assert np.isfinite(forecast.mean).all()
    assert np.isfinite(forecast.quantile(0.9)).all()
