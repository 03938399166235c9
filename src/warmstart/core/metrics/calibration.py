"""Calibration of probabilities: temperature scaling, and measures of the calibration error.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017), arXiv:1706.04599:
one number divides all logits; which class is best does not change.
"""

from __future__ import annotations

import numpy as np

from warmstart.core.metrics.classification import calibration_error
from warmstart.core.probabilities import log_softmax

__all__ = [
    "calibration_error",
    "cross_fitted",
    "decisions",
    "negative_log_likelihood",
    "probabilities",
    "temperature",
]

GRID = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
PRIOR = 0.5
"""Standard deviation of log T before any data, so that few examples do not give an extreme temperature."""


def temperature(logits: np.ndarray, targets: np.ndarray, multi_label: bool = False) -> float:
    """The temperature that makes the targets most likely, between 0.1 and 10.

    Args:
        logits: (N, classes), of examples that were not trained on.
        targets: int (N,), or float (N, classes) for several labels.
    """
    losses = [
        negative_log_likelihood(logits / t, targets, multi_label) * len(logits)
        + np.log(t) ** 2 / (2 * PRIOR**2)
        for t in GRID
    ]
    return float(GRID[int(np.argmin(losses))])


def cross_fitted(
    logits: np.ndarray, targets: np.ndarray, multi_label: bool = False, folds: int = 5
) -> np.ndarray:
    """Logits (N, classes), each divided by the temperature that was fitted to the other folds, so that
    the calibration is measured on examples that it was not fitted to.
    """
    scaled = np.array(logits, np.float64)
    index = np.random.default_rng(0).permutation(len(logits)) % min(folds, len(logits))
    for fold in range(index.max() + 1):
        inside = index == fold
        if not inside.all():
            scaled[inside] /= temperature(logits[~inside], targets[~inside], multi_label)
    return scaled


def negative_log_likelihood(
    logits: np.ndarray, targets: np.ndarray, multi_label: bool = False
) -> float:
    """Mean over the examples."""
    if multi_label:
        return float((np.logaddexp(0, logits) - targets * logits).sum(1).mean())
    return float(-log_softmax(logits)[np.arange(len(targets)), targets].mean())


def probabilities(logits: np.ndarray, multi_label: bool = False) -> np.ndarray:
    """Softmax, or a sigmoid per class: (N, classes)."""
    result: np.ndarray = (
        np.exp(-np.logaddexp(0, -logits)) if multi_label else np.exp(log_softmax(logits))
    )
    return result


def decisions(
    probability: np.ndarray, targets: np.ndarray, multi_label: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """(confidence, whether it is right) of each answer (N,); for several labels of each decision (N
    * classes,).
    """
    if multi_label:
        positive = probability > 0.5
        return np.where(positive, probability, 1 - probability).ravel(), (
            positive == (targets > 0.5)
        ).ravel()
    return probability.max(1), probability.argmax(1) == targets
