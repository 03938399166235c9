"""The highest of many scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def best(scores: NDArray[Any], count: int) -> NDArray[Any]:
    """Indices of the highest scores (N,), best first, at most `count`; the first of equal ones, NaN
    last.
    """
    negative = -scores
    if count < len(negative):  # sorting all of tens of thousands costs more than a partition
        indices = np.flatnonzero(negative <= np.partition(negative, count - 1)[count - 1])
        if len(indices) >= count:  # else there are NaN among them
            return indices[np.argsort(negative[indices], kind="stable")[:count]]
    return np.argsort(negative, kind="stable")[:count]
