"""Seasons are found where they would have helped, and come off and on again without a trace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmstart.series.adjustment import Adjustment

RANDOM = np.random.default_rng(0)
HOURS = np.arange(24 * 7 * 6)
WEEKEND = np.where(HOURS // 24 % 7 >= 5, -40.0, 0.0)
LOAD = 100 + 20 * np.sin(HOURS / 24 * 2 * np.pi) + WEEKEND + RANDOM.normal(size=len(HOURS))


def lengths(adjustment):
    return [len(season) for season in adjustment.seasons]


def test_day_and_week_are_taken_off_and_put_back():
    adjustment = Adjustment.of(LOAD, "h")
    assert str(adjustment) == "the seasons of 24 and 168 steps"
    assert np.abs(np.diff(adjustment.removed(LOAD))).mean() < 2
    week = adjustment.added(np.zeros((1, 24 * 7)))[0]
    assert week[5 * 24 + 12] - week[12] == pytest.approx(-40, abs=3)
    ahead = adjustment.removed(LOAD, future=24 * 7)  # the last week, as if it lay in the future
    np.testing.assert_allclose(ahead, adjustment.removed(LOAD))


def test_only_seasons_that_are_there_and_long_enough_are_found():
    assert lengths(Adjustment.of(LOAD - WEEKEND, "h")) == [24]
    assert lengths(Adjustment.of(LOAD[: 24 * 13], "h")) == [24]
    assert lengths(Adjustment.of(LOAD[:47], "h")) == []
    assert lengths(Adjustment.of(np.full(200, 7.0), "h")) == []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=(2, 120))
        found = [Adjustment.of(values, "MS").error for values in (noise[0], noise[1].cumsum())]
        assert min(found) > 0.85


def test_a_season_that_grows_with_the_level_grows_on():
    months = np.arange(120)
    level = 100 + 5.0 * months
    season = level * (1 + 0.3 * np.sin(months / 12 * 2 * np.pi))
    adjustment = Adjustment.of(season[:96], "MS")
    ahead = adjustment.added(level[None, 96:])[0]
    assert np.abs(ahead / season[96:] - 1).max() < 0.03


@settings(max_examples=40)
@given(power=st.floats(-6, 6), shift=st.floats(-1e6, 1e6), sign=st.sampled_from([-1.0, 1.0]))
def test_it_does_not_depend_on_unit_and_zero(power, shift, sign):
    factor = sign * 10.0**power
    ours, moved = Adjustment.of(LOAD, "h"), Adjustment.of(factor * LOAD + shift, "h")
    back = (moved.removed(factor * LOAD + shift) - shift) / factor
    tolerance = 1e-6 + 1e-9 * (1 + abs(shift)) / abs(factor)  # float64 has 16 digits
    np.testing.assert_allclose(back, ours.removed(LOAD), atol=tolerance)


def test_gaps_and_outliers_do_not_spoil_the_season():
    load = LOAD.copy()
    load[[100, 400, 700]] = 2000.0
    load[300:320] = np.nan
    adjusted = Adjustment.of(load, "h").removed(load)
    assert np.isnan(adjusted).sum() == 20
    assert np.nanmedian(np.abs(adjusted - np.nanmedian(adjusted))) < 4
