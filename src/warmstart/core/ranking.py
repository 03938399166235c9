"""The best few of many scores, as a whole sort would name them."""

from __future__ import annotations

import numpy as np


def best(scores: np.ndarray, count: int) -> np.ndarray:
    """Places of the highest scores (N,), best first, at most `count`; the first of equal ones, NaN
    last.
    """
    turned = -scores
    if count < len(
        turned
    ):  # sorting tens of thousands for a few would cost more than finding the last of those
        places = np.flatnonzero(turned <= np.partition(turned, count - 1)[count - 1])
        if len(places) >= count:  # else there are NaN among them
            return places[np.argsort(turned[places], kind="stable")[:count]]
    return np.argsort(turned, kind="stable")[:count]
