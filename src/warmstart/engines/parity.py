"""Whether an engine gives the reference's numbers: one comparison for compiling and for choosing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from warmstart.engines.base import Engine

TOLERANCE = 1e-4  # on every float32 output, relative to its largest reference value or to 1
UNDECIDED = 0.02  # share of the numbers of a whole-number output that may differ


def compare(engine: Engine, expected: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
    """Largest difference between an engine and the reference on the probe inputs, per name of an output.

    Where several functions have an output of the same name, the worst of them counts; see `differences`.
    """
    worst: dict[str, float] = {}
    for function, outputs in expected.items():
        got = engine.run(function, **engine.signatures[function].probe())
        for name, difference in differences(got, outputs).items():
            worst[name] = max(worst.get(name, 0.0), difference)
    return worst


def differences(got: Mapping[str, np.ndarray], want: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The largest difference of each output.

    Differences are relative to the output's largest reference value where that is above 1, and
    absolute below: probabilities are compared absolutely. NaN anywhere, or another shape, counts as infinite.
    Whole numbers are decisions: up to `UNDECIDED` of them may differ.
    """
    found: dict[str, float] = {}
    for name, expected in want.items():
        if got[name].shape != expected.shape:
            found[name] = float("inf")
            continue
        if expected.dtype.kind in "iu":  # decisions (tokens, levels of samples): a few lie on the edge of two
            differ = float(np.mean(got[name] != expected)) if expected.size else 0.0
            found[name] = 0.0 if differ <= UNDECIDED else float("inf")
            continue
        scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
        difference = float(np.abs(got[name].astype(np.float64) - expected).max(initial=0.0)) / scale
        found[name] = difference if np.isfinite(difference) else float("inf")
    return found
