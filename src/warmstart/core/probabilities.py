"""From logits to probabilities and their logarithms, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_TEMPERATURE = 1e-6
"""Lower temperatures are as greedy, but scores divided by them would overflow float32."""


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities that add up to 1 along the last axis; float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    exponentials: NDArray[np.float64] = np.exp(shifted)
    probabilities: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return probabilities


def log_softmax(logits: NDArray[Any]) -> NDArray[Any]:
    """The logarithms of the softmax over the last axis, in the dtype of the logits."""
    shifted = logits - logits.max(-1, keepdims=True)
    logarithms: NDArray[Any] = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return logarithms


def log_sum_exp(logits: NDArray[Any]) -> float:
    """The logarithm of the sum of the exponentials; -inf without logits."""
    highest = logits.max(initial=-np.inf)
    if highest == -np.inf:
        return -np.inf
    shifted = logits - highest
    return float(highest + np.log(np.exp(shifted, out=shifted).sum()))


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Each logit as a probability of its own; float64, without overflow."""
    probabilities: NDArray[np.float64] = 0.5 * (1 + np.tanh(0.5 * logits.astype(np.float64)))
    return probabilities
