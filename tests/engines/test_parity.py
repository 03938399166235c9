"""Differences of an engine's outputs from those of the reference."""

import numpy as np
import pytest

from warmstart.engines.parity import TOLERANCE, differences

LEVELS = np.arange(100, dtype=np.int32)
VALUES = np.array([0.5, -4.0], np.float32)


@pytest.mark.parametrize(
    ("actual", "expected", "difference"),
    [
        (LEVELS, LEVELS, 0.0),
        (np.where(LEVELS < 2, -1, LEVELS), LEVELS, 0.0),  # a few decisions are borderline
        (np.where(LEVELS < 25, -1, LEVELS), LEVELS, 0.25),
        (LEVELS[:50], LEVELS, float("inf")),
        (VALUES + np.float32(0.5), VALUES, 0.125),
        (VALUES * np.float32("nan"), VALUES, float("inf")),
    ],
)
def test_differences(actual, expected, difference):
    assert differences({"a": actual}, {"a": expected}) == {"a": pytest.approx(difference)}


def test_other_decisions_are_no_rounding():
    actual = np.where(LEVELS < 3, -1, LEVELS)
    assert differences({"a": actual}, {"a": LEVELS})["a"] > TOLERANCE
