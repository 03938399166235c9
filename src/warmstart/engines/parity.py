"""Whether an engine gives the reference's numbers: one comparison for compiling and for choosing."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from warmstart.engines.base import Engine

TOLERANCE = 1e-4  # on every float32 output, relative to its largest reference value or to 1


def compare(engine: Engine, expected: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, float]:
    """Largest difference per output between an engine and the reference on the probe inputs.

    Differences are relative to the output's largest reference value where that is above 1, and
    absolute below: probabilities are compared absolutely. NaN anywhere counts as infinite.
    """
    worst: dict[str, float] = {}
    for function, outputs in expected.items():
        got = engine.run(function, **engine.signatures[function].probe())
        for name, want in outputs.items():
            difference = float("inf")
            if got[name].shape == want.shape:
                scale = max(1.0, float(np.abs(want).max(initial=0.0)))
                difference = float(np.abs(got[name].astype(np.float64) - want).max(initial=0.0)) / scale
            if not np.isfinite(difference):
                difference = float("inf")
            worst[name] = max(difference, worst.get(name, 0.0))  # several functions may have an output of this name
    return worst
