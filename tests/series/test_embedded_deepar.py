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


@pytest.mark.shared
def test_it_beats_seasonal_naive_on_a_series_that_it_was_not_trained_on(shared_data):
    half_hours = pd.read_csv(shared_data / "series" / "taylor.csv").iloc[:, 0].to_numpy(float)
    demand = pd.Series(
        half_hours.reshape(-1, 2).sum(1), pd.date_range("2000-06-05", periods=2016, freq="h")
    )
    found = ws.load("deepar_hourly").evaluate(demand, horizon=48, windows=28, stride=24)
    assert found["count"] == 28
    assert found["mean_wQL"] < found["seasonal_naive"]["mean_wQL"]
