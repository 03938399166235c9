"""Exponential smoothing: level, trend, season and spread are those of the series, in any unit, for
many series as for one.
"""

import numpy as np
import pytest

from warmstart.series.pooling import pooled, widened
from warmstart.series.smoothing_fit import fit_adjusted, sample_seasonal

RANDOM = np.random.default_rng(0)


def paths_of(values, horizon=20, count=400):
    return fit_adjusted([np.asarray(values, float)], horizon)[0].paths(
        horizon, count, np.random.default_rng(1)
    )


def test_noise_around_a_level_keeps_its_level_and_its_spread():
    paths = paths_of(50 + RANDOM.normal(size=300))
    assert np.abs(np.median(paths, 0) - 50).max() < 0.6
    assert paths.std(0) == pytest.approx(1, abs=0.25)


def test_a_random_walk_begins_at_its_end_and_widens_with_the_root_of_time():
    walk = np.cumsum(RANDOM.normal(size=500))
    paths = paths_of(walk)
    assert np.median(paths[:, 0]) == pytest.approx(walk[-1], abs=0.5)
    assert paths[:, 15].std() / paths[:, 0].std() == pytest.approx(4, rel=0.35)


def test_a_trend_goes_on():
    line = 3.0 * np.arange(100) + RANDOM.normal(size=100)
    assert np.median(paths_of(line), 0)[9] == pytest.approx(3 * 109, abs=8)


def test_short_constant_and_several_series():
    assert np.isfinite(paths_of([1, 2, 4])).all()
    np.testing.assert_allclose(paths_of([7.0] * 30), 7)
    long, short = np.sin(np.arange(90)), np.arange(12.0)
    together = fit_adjusted([long, short], 5)
    apart = [fit_adjusted([values], 5)[0] for values in (long, short)]
    for ours, theirs in zip(together, apart, strict=True):
        assert ours.level == pytest.approx(theirs.level)
        assert ours.parameters == theirs.parameters


def sample(targets, freq="MS", horizon=12, samples=200):
    seeds = [(0, index) for index in range(len(targets))]
    return sample_seasonal(targets, freq, horizon, samples, seeds)


def months(count, trend=0.5, noise=1.0):
    steps = np.arange(count)
    wave = 100 + trend * steps + 10 * np.sin(steps / 12 * 2 * np.pi)
    return wave + np.random.default_rng(0).normal(0, noise, count)


def test_level_trend_and_season_go_on():
    expected = months(132, noise=0)[-12:]
    (paths,) = sample([months(120)])
    assert np.abs(np.median(paths, 0) - expected).max() < 3
    low, high = np.quantile(paths, (0.1, 0.9), axis=0)
    assert 1.5 < (high - low).mean() < 8


def test_a_walk_becomes_wider_and_keeps_its_level():
    walk = np.cumsum(np.random.default_rng(1).normal(size=400))
    (paths,) = sample([walk], "D", 50)
    spread = paths.std(0)
    assert spread[-1] > 4 * spread[0]
    assert abs(np.median(paths[:, 0]) - walk[-1]) < 1.5


@pytest.mark.parametrize(
    ("a", "b"), [(1e-6, 0), (1e6, -1e6), (1, 1e6), (-3, 7), (1e300, 0), (1e-300, 0)]
)
def test_it_follows_the_unit_and_the_zero(a, b):
    values = months(60)
    values[[7, 30]] = np.nan
    (paths,), (others,) = sample([values]), sample([a * values + b])
    np.testing.assert_allclose((others - b) / a, paths, rtol=1e-6)


def test_many_series_are_smoothed_as_each_by_itself():
    random = np.random.default_rng(2)
    many = [
        months(120),
        random.normal(size=70),
        months(30),
        np.ones(9),
        np.array([3.0]),
        months(64),
    ]
    many[1][:5] = np.nan
    many[5][-3:] = np.nan
    together = sample(many)
    for index, target in enumerate(many):
        (alone,) = sample_seasonal([target], "MS", 12, 200, [(0, index)])
        np.testing.assert_allclose(together[index], alone, rtol=1e-9, atol=1e-9)
        assert np.isfinite(alone).all()


def test_pooled_quantiles_are_averages_and_paths_keep_their_order():
    random = np.random.default_rng(3)
    one, other = random.normal(size=(101, 5)).cumsum(1), random.normal(5, 3, (101, 5))
    both = pooled(one, other, 0.25)
    levels = (0.1, 0.5, 0.9)
    expected = 0.75 * np.quantile(one, levels, axis=0) + 0.25 * np.quantile(other, levels, axis=0)
    np.testing.assert_allclose(np.quantile(both, levels, axis=0), expected)
    np.testing.assert_array_equal(both.argsort(0), one.argsort(0))
    np.testing.assert_allclose(pooled(one, other, 0.0), one)
    wide = widened(one, 2.0)
    np.testing.assert_allclose(np.median(wide, 0), np.median(one, 0))
    np.testing.assert_allclose(wide.std(0), 2 * one.std(0))
