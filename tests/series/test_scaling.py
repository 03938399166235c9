"""Forecasts do not depend on the unit or the zero of a series, and stay finite near the limits."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.core.model import drive
from warmstart.series.baselines import Drift, SeasonalNaive, best_season, seasons
from warmstart.series.deepar import DeepAR
from warmstart.series.effects import Effects
from warmstart.series.features import Recipe
from warmstart.series.scaling import Scaling
from warmstart.series.time_series import TimeSeries, iter_series

WAVE = 10 + 3 * np.sin(np.arange(120) / 24 * 2 * np.pi) + np.random.default_rng(0).normal(size=120)


def scaling_of(values, context=48, name="robust"):
    return Scaling.of(values[None], np.isfinite(values)[None], context, name)


@settings(max_examples=80)
@given(power=st.floats(-6, 6), shift=st.floats(-1e6, 1e6), sign=st.sampled_from([-1.0, 1.0]))
def test_what_the_network_sees_does_not_depend_on_unit_and_zero(power, shift, sign):
    factor = sign * 10.0**power
    moved = factor * WAVE + shift
    ours, theirs = scaling_of(WAVE), scaling_of(moved)
    tolerance = 1e-4 + 1e-9 * (1 + abs(shift)) / abs(factor)  # float64 has 16 digits
    np.testing.assert_allclose(
        sign * theirs.scaled(moved[None]), ours.scaled(WAVE[None]), atol=tolerance
    )
    np.testing.assert_allclose(
        (theirs.in_units(np.float32(sign) * ours.scaled(WAVE[None]))[0] - shift) / factor,
        WAVE,
        atol=1e-5 + tolerance,
    )


@pytest.mark.parametrize("name", ["mean", "robust"])
@pytest.mark.parametrize(
    "values",
    [
        [1.7e308, -1.7e308, 1e308],
        [float(np.finfo(float).max), 1.0, -float(np.finfo(float).max)],
        [5e-324, 1e-323, 5e-324],
        [0.0, 0.0],
        [7.0] * 60,
        [1e15 + 1, 1e15 + 2, 1e15 + 3],
        [np.nan, 3.0, np.nan],
    ],
)
def test_numbers_stay_finite(values, name):
    values = np.array(values)
    scaling = scaling_of(values, 2, name)
    scaled = scaling.scaled(values[None])
    assert np.isfinite(scaled[0, np.isfinite(values)]).all()
    assert np.isfinite(scaling.in_units(np.full((1, 5), 1e6, np.float32))).all()
    assert np.isfinite(scaling.log_scale).all()


def test_an_outlier_does_not_set_the_scale():
    spiked = WAVE.copy()
    spiked[-5] = 1e6
    assert abs(scaling_of(spiked).loc[0] - scaling_of(WAVE).loc[0]) < 1


def test_the_scale_is_that_of_the_past_and_its_ratio_is_shown():
    calm = np.where(np.arange(120) < 80, WAVE, WAVE[:80].mean() + 0.05 * WAVE)
    scaling = scaling_of(calm, 30)
    assert scaling.scale[0] > 0.5 * scaling_of(WAVE, 30).scale[0]
    assert scaling.volatility[0] < -1
    lifted = Scaling.of(WAVE[None], np.ones((1, 120), bool), 48, "robust", 4.0)
    assert np.median(lifted.scaled(WAVE[None])[0, -48:]) == pytest.approx(1)


def test_baselines_repeat_seasons_and_know_their_errors():
    random = np.random.default_rng(0)
    week = np.tile([1.0, 2, 3, 4, 5, 9, 9], 20)
    noisy = week + random.normal(0, 0.5, len(week))
    assert best_season(noisy, "D") == 7
    assert seasons("h", 400) == [24, 168]
    assert seasons("h", 100) == [24]
    assert seasons("MS", 20) == [1]
    naive = SeasonalNaive(7)
    np.testing.assert_array_equal(naive.point(week, 10), np.resize(week[:7], 10))
    paths = naive.samples(noisy, 21, 4000, random)
    assert paths.shape == (4000, 21)
    spread = paths.std(0)
    assert spread[:7].mean() == pytest.approx(np.sqrt(2) * 0.5, rel=0.15)
    assert spread[14:].mean() == pytest.approx(np.sqrt(6) * 0.5, rel=0.15)  # three seasons ahead
    assert SeasonalNaive(12).samples(week[:5], 4, 3, random).shape == (
        3,
        4,
    )  # shorter than a season
    line = Drift().samples(np.arange(50.0), 3, 10, random)
    np.testing.assert_allclose(line, np.tile([50.0, 51, 52], (10, 1)))


def test_a_model_without_enough_history_forecasts_a_named_baseline():
    config = {"lags": [1, 24], "features": 3, "shortcut": 24}
    recipe = Recipe("h", 6, 12, (1, 24), baseline=True)
    entry = SimpleNamespace(processing=recipe.to_dict(), config=config)
    short = Recipe("h", 6, 12, (1, 24))
    other = SimpleNamespace(processing=short.to_dict(), config=config)
    index = pd.date_range("2024-01-01", periods=20, freq="h")
    ((_, series),) = iter_series(pd.Series(WAVE[:20], index))
    for one in (entry, other):
        (result,) = drive(DeepAR(one).forecast(None, [series], 6, 50, [(0, 0)], False))
        assert result["samples"].shape == (50, 6)
        assert "the forecast of last value" in result["notes"][0]


def test_effects_of_covariates_are_taken_off_and_put_back():
    random = np.random.default_rng(0)
    promotion = (random.random(120) < 0.2).astype(float)
    target = 200 + 100 * promotion[:100] + random.normal(0, 3, 100)
    days = pd.Timestamp("2024-01-01")
    series = TimeSeries("a", target, days, "D", {"promo": promotion})
    effects = Effects.of(series, ["promo"], 1)
    assert effects.coefficients[0] == pytest.approx(100, abs=3)
    assert effects.removed(series).target.std() < 5
    future = effects.added(np.zeros((2, 20)), series)
    np.testing.assert_allclose(future[0], effects.coefficients[0] * promotion[100:])
    noise = TimeSeries("b", random.normal(size=100), days, "D", {"promo": promotion})
    assert Effects.of(noise, ["promo"], 1) is None
