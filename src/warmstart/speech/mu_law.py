"""Mu-law companding (ITU-T G.711; WaveNet, 2016, section 2.2): samples as levels that are finer
near zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode(samples: NDArray[Any], levels: int = 256) -> NDArray[np.int32]:
    """float -1..1 to int32 0..levels - 1; values outside are clipped."""
    mu = levels - 1
    x = np.clip(np.asarray(samples, np.float64), -1.0, 1.0)
    compressed = np.sign(x) * np.log1p(mu * np.abs(x)) / np.log1p(mu)
    values: NDArray[np.int32] = ((compressed + 1) / 2 * mu + 0.5).astype(np.int32)
    return values


def decode(values: NDArray[Any], levels: int = 256) -> NDArray[np.float32]:
    """The inverse of `encode`, up to the width of a level; float32."""
    mu = levels - 1
    y = 2 * np.asarray(values, np.float64) / mu - 1
    samples: NDArray[np.float32] = (np.sign(y) * ((1 + mu) ** np.abs(y) - 1) / mu).astype(
        np.float32
    )
    return samples
