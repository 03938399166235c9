"""Frequencies: lags, seasons and calendar features are GluonTS'; inference finds what pandas made."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from warmstart.errors import InputError, UsageError
from warmstart.series import frequency

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "calendar.json").read_text())
ALL = [
    "s",
    "5s",
    "min",
    "15min",
    "30min",
    "h",
    "3h",
    "D",
    "2D",
    "B",
    "W-MON",
    "W-SUN",
    "2W-TUE",
    "MS",
    "ME",
    "BMS",
    "BME",
    "QS-JAN",
    "QE-MAR",
    "YS-JAN",
    "YE-DEC",
]


@pytest.mark.parametrize("freq", GOLDEN)
def test_lags_seasons_and_features_are_those_of_gluonts(freq):
    golden = GOLDEN[freq]
    assert frequency.lags(freq) == golden["lags"]
    assert frequency.season(freq) == golden["season"]
    features = frequency.calendar(freq, pd.Timestamp(golden["start"]), 40)[::8].T
    assert features.shape == np.shape(golden["features"]) or not golden["features"]
    if golden["features"]:
        np.testing.assert_allclose(features, golden["features"], atol=1e-6)


@pytest.mark.parametrize("freq", ALL)
def test_inference_finds_the_frequency_also_with_gaps(freq):
    index = pd.date_range("2021-01-01", periods=40, freq=freq)
    for times in (index, index.delete([7, 8, 21])):
        assert frequency.unit_of(frequency.infer(times)) == frequency.unit_of(freq)
        places = frequency.steps_of(frequency.infer(times), times, "x")
        assert len(places) == len(times)
        assert places[-1] == 39


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "UTC"])
@pytest.mark.parametrize("freq", ["h", "D", "W-SUN"])
def test_clock_changes_break_nothing(zone, freq):
    index = pd.date_range("2023-03-01", periods=400, freq=freq, tz=zone)
    assert frequency.infer(index) == freq
    np.testing.assert_array_equal(frequency.steps_of(freq, index, "x"), np.arange(400))
    table = frequency.calendar(freq, index[0], 400)
    assert np.abs(table).max() <= 0.5
    if freq == "h":  # local hours
        np.testing.assert_allclose(table[:, 0], index.hour / 23 - 0.5, atol=1e-6)


def test_irregular_timestamps_have_no_frequency():
    random = np.random.default_rng(0)
    times = pd.DatetimeIndex(
        pd.Timestamp("2024-01-01") + pd.to_timedelta(np.cumsum(random.integers(1, 9000, 60)), "s")
    )
    assert frequency.infer(times) is None
    with pytest.raises(InputError, match=r"sales: .* not a step of h .*resample"):
        frequency.steps_of("h", times, "sales")


def test_old_and_wrong_aliases():
    assert [frequency.normal(old) for old in ("H", "T", "M", "15T", "W")] == [
        "h",
        "min",
        "ME",
        "15min",
        "W-SUN",
    ]
    for wrong in ("fortnight", "ns", "-1h", ""):
        with pytest.raises(UsageError, match="no frequency"):
            frequency.normal(wrong)
    assert frequency.unit_of("W-MON") == frequency.unit_of("W-SUN") != frequency.unit_of("2W-SUN")


def test_absurd_spans_are_refused():
    times = pd.DatetimeIndex(["1900-01-01 00:00:00", "1900-01-01 00:00:01", "2024-01-01"])
    with pytest.raises(InputError, match="steps of s"):
        frequency.steps_of("s", times, "x")
