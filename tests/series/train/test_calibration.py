"""Windows that are set aside, and what they say about weight and width."""

import numpy as np
import pandas as pd
import pytest

from warmstart.series.features import Recipe
from warmstart.series.time_series import TimeSeries
from warmstart.series.train import calibration
from warmstart.series.train.calibration import Window
from warmstart.series.train.validation_windows import origins, planned_windows, without_windows
from warmstart.series.train.windows import WindowBatches

pytestmark = pytest.mark.tensorflow
START = pd.Timestamp("2024-01-01")


def series(values):
    return TimeSeries("a", np.asarray(values, float), START, "D")


def test_long_series_set_more_windows_aside():
    long, short = series(np.ones(500)), series(np.ones(30))
    assert planned_windows([long], 10) == 4
    assert planned_windows([short], 10) == 1
    assert origins(500, 10, 4) == [460, 470, 480, 490]
    assert origins(30, 10, 4) == [20]
    assert origins(5, 10, 1) == [1]
    assert len(without_windows(long, 10, 4)) == 460


def windows(count, bias, scale, seed=0):
    """Of standard normal values; the network is off by `bias` and as wide as `scale`."""
    random = np.random.default_rng(seed)
    return [
        Window(
            random.normal(size=20),
            scale * random.normal(size=(400, 20)) + bias,
            random.normal(0, 1, (400, 20)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_intervals_cover_later_windows(scale):
    factor = calibration.spread_of(windows(200, 0.0, scale), 0.0, 1.0)
    assert factor * scale == pytest.approx(1.0, rel=0.1)
    later = windows(200, 0.0, scale * factor, seed=1)
    low, high = np.quantile([one.paths for one in later], (0.1, 0.9), axis=1)
    actual = np.array([one.actual for one in later])
    assert 0.76 < ((low < actual) & (actual < high)).mean() < 0.84


def test_few_windows_change_little_and_none_nothing():
    assert calibration.spread_of([], 0.0, 1.3) == 1.3
    one = calibration.spread_of(windows(1, 0.0, 0.4), 0.0, 1.0)
    assert 1.0 < one < 1.5
    assert calibration.weight_of([], 0.4) == 0.4
    assert 0.3 < calibration.weight_of(windows(1, 0.0, 1.0), 0.4) < 0.6


def test_the_weight_is_that_of_the_better_forecast():
    assert calibration.weight_of(windows(100, 3.0, 1.0), 0.3) > 0.9
    good = [Window(one.actual, one.paths, one.others + 3) for one in windows(100, 0.0, 1.0)]
    assert calibration.weight_of(good, 0.3) == 0.0


def test_a_network_is_believed_by_what_it_had_to_learn_from():
    recipe = Recipe("D", 10, 10, (1, 2))
    assert calibration.prior_weight(recipe, [series(np.ones(100))], False) > 0.7
    assert calibration.prior_weight(recipe, [series(np.ones(1000))] * 20, False) < 0.05
    assert calibration.prior_weight(recipe, [series(np.ones(100))], True) < 0.3


def test_past_errors_of_smoothing_widen_it():
    random = np.random.default_rng(4)
    calm = random.normal(size=300)
    wild = calm * np.where(np.arange(300) > 200, 5, 1)
    assert calibration.past_spread([series(wild)], "D", 10, 1.0) > 1.2
    assert 0.7 < calibration.past_spread([series(calm)], "D", 10, 1.0) < 1.3
    assert calibration.past_spread([series(wild)], "D", 10, 0.0) == 1.0


@pytest.mark.parametrize("shift", [-1e6, 0.0, 1e6])
@pytest.mark.parametrize("factor", [1e-6, 1e-3, 1e6])
def test_training_does_not_depend_on_unit_and_zero(factor, shift):
    """What the network sees, the weight of smoothing and the factor of intervals are the same."""
    random = np.random.default_rng(5)
    values = 100 + 30 * np.sin(np.arange(300) / 7 * 2 * np.pi) + random.normal(0, 2, 300)
    values[[20, 90]] = np.nan
    recipe = Recipe("D", 7, 14, (1, 2, 7), scaling="robust")
    ours, moved = (
        WindowBatches([one], recipe, 7, seed=3).batch(0, 0)
        for one in (series(values), series(factor * values + shift))
    )
    for key, array in ours[0].items():
        np.testing.assert_allclose(moved[0][key], array, atol=1e-2 if factor < 1e-3 else 1e-4)
    np.testing.assert_allclose(moved[1], ours[1], atol=1e-2 if factor < 1e-3 else 1e-4)
    few = windows(6, 0.5, 0.6)
    others = [Window(*(factor * np.asarray(a) + shift for a in vars(one).values())) for one in few]
    assert calibration.weight_of(others, 0.3) == calibration.weight_of(few, 0.3)
    assert calibration.spread_of(others, 0.4, 1.1) == pytest.approx(
        calibration.spread_of(few, 0.4, 1.1), rel=1e-3
    )
