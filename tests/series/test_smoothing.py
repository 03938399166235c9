"""Exponential smoothing: level, trend and spread are those of the series."""

import numpy as np
import pytest

from warmstart.series.smoothing import fitted

RANDOM = np.random.default_rng(0)


def paths_of(values, horizon=20, count=400):
    return fitted([np.asarray(values, float)], horizon)[0].samples(
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
    together = fitted([long, short], 5)
    apart = [fitted([values], 5)[0] for values in (long, short)]
    for ours, theirs in zip(together, apart, strict=True):
        assert ours.level == pytest.approx(theirs.level)
        assert ours.weights == theirs.weights
