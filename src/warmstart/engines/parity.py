"""Compare the outputs of an engine with those of the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from warmstart.engines.base import Engine

TOLERANCE = 1e-4  # on every float32 output, relative to its largest reference value or to 1
MAX_CHANGED = 0.02  # share of the values of an integer output that may differ


def compare(engine: Engine, expected: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
    """Largest difference between an engine and the reference on the probe inputs, by the name of
    the output.

    For outputs of the same name in several functions it is the largest; see `differences`.
    """
    worst: dict[str, float] = {}
    for function, outputs in expected.items():
        actual = engine.run(function, **engine.signatures[function].probe())
        for name, difference in differences(actual, outputs).items():
            worst[name] = max(worst.get(name, 0.0), difference)
    return worst


def differences(
    actual: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> dict[str, float]:
    """The largest difference of each output.

    Differences are relative to the output's largest reference value if that is above 1, and
    absolute otherwise, as for probabilities. NaN and another shape count as infinite. Integers are
    decisions: it is the fraction of them that differ, or 0 if that is at most `MAX_CHANGED`.
    """
    result: dict[str, float] = {}
    for name, reference in expected.items():
        if actual[name].shape != reference.shape:
            result[name] = float("inf")
            continue
        if reference.dtype.kind in "iu":  # tokens, levels of samples: a few are borderline
            differ = float(np.mean(actual[name] != reference)) if reference.size else 0.0
            result[name] = 0.0 if differ <= MAX_CHANGED else differ
            continue
        scale = max(1.0, float(np.abs(reference).max(initial=0.0)))
        difference = (
            float(np.abs(actual[name].astype(np.float64) - reference).max(initial=0.0)) / scale
        )
        result[name] = difference if np.isfinite(difference) else float("inf")
    return result
