"""Metrics equal those of `gluonts.evaluation` on the same forecasts; the CRPS equals its
definition.
"""

from pathlib import Path

import numpy as np
import pytest

from warmstart.series.metrics import Scores, crps, seasonal_error, seasonal_naive
from warmstart.series.results import Forecast
from warmstart.series.time_series import TimeSeries


def test_metrics_equal_those_of_gluonts():
    with np.load(Path(__file__).parents[1] / "golden" / "forecast_metrics.npz") as golden:
        target, samples, past = golden["target"], golden["samples"], int(golden["past"])
        want = dict(zip(golden["names"].tolist(), golden["values"].tolist(), strict=True))
    scores = Scores(24)
    for row, drawn in zip(target, samples, strict=True):
        series = TimeSeries("s", row[:past], None, "h")
        forecast = Forecast("s", "m", series, drawn.shape[1], (0.5,), drawn)
        scores.add(row[past:], row[:past], forecast.quantile, drawn)
    found = scores.result()
    for name, value in want.items():
        assert found[name] == pytest.approx(value, abs=1e-6), name


def test_a_constant_past_says_nothing_of_the_scaled_error():
    scores = Scores(1)
    scores.add(np.array([1.0, 2.0]), np.full(9, 7.0), lambda level: np.array([1.0, 1.0]))
    scores.add(np.array([1.0, 2.0]), np.arange(9.0), lambda level: np.array([1.0, 1.0]))
    assert scores.result()["MASE"] == pytest.approx(0.5)


def test_crps_is_its_definition():
    random = np.random.default_rng(0)
    samples, truth = random.normal(size=(30, 4)), random.normal(size=4)
    pairs = np.abs(samples[:, None] - samples[None]).mean((0, 1))
    np.testing.assert_allclose(
        crps(truth, samples), np.abs(samples - truth).mean(0) - pairs / 2, atol=1e-12
    )


def test_missing_truth_is_left_out():
    with_hole, without = Scores(1), Scores(1)
    quantile = lambda level: np.array([1.0, 2.0, 3.0]) + level  # noqa: E731
    with_hole.add(np.array([1.0, np.nan, 5.0]), np.arange(9.0), quantile)
    without.add(np.array([1.0, 5.0]), np.arange(9.0), lambda level: quantile(level)[[0, 2]])
    for name, value in without.result().items():
        assert with_hole.result()[name] == pytest.approx(value, nan_ok=True)
    with_hole.add(np.full(3, np.nan), np.arange(9.0), quantile)
    assert with_hole.result()["ND"] == pytest.approx(without.result()["ND"])


def test_seasonal_naive_repeats_the_last_season():
    assert seasonal_naive(np.array([9.0, 1, 2, np.nan, 1, 2, 3]), 3, 5).tolist() == [1, 2, 3, 1, 2]
    assert seasonal_naive(np.array([4.0, 5]), 24, 3).tolist() == [5, 5, 5]
    assert seasonal_error(np.array([1.0, 2, np.nan, 5]), 1) == 1.0
    assert seasonal_error(np.array([1.0]), 24) == 0.0
