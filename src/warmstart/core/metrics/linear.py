"""The best linear head on fixed features: regularised logistic regression, solved to the optimum.

Features are standardised, and the weights have a normal prior of variance 1/D, so that a class'
logit has a variance of about 1 before any data is seen: nothing to tune, whatever the width of the
base or the number of examples. The objective is convex, so the result does not depend on a seed, a
learning rate or a number of epochs. Linear probes of pretrained networks are trained so since
Kornblith, Shlens, Le, "Do Better ImageNet Models Transfer Better?" (2018), arXiv:1805.08974,
section 3.1, with L-BFGS.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from warmstart.core.probabilities import log_softmax

TOO_LARGE = 4e9  # multiplications of one pass over the data, above which batches learn faster
ITERATIONS = 300


@dataclass(frozen=True)
class LinearHead:
    """logits = (features - mean) / sqrt(variance) @ kernel + bias."""

    mean: np.ndarray  # (D,)
    variance: np.ndarray  # (D,)
    kernel: np.ndarray  # (D, classes)
    bias: np.ndarray  # (classes,)
    loss: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """float32 (N, D) -> float64 (N, classes)."""
        logits: np.ndarray = (features - self.mean) / np.sqrt(
            self.variance
        ) @ self.kernel + self.bias
        return logits


def fits_in_time(rows: int, width: int, classes: int) -> bool:
    """Whether solving takes seconds rather than minutes."""
    return float(rows) * width * classes <= TOO_LARGE


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (D,) of features (N, D), float32; constant features get the variance 1."""
    mean, variance = features.mean(0, dtype=np.float64), features.var(0, dtype=np.float64)
    return mean.astype(np.float32), np.where(variance > 1e-8, variance, 1.0).astype(np.float32)


def solve(
    features: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None = None,
    *,
    multi_label: bool = False,
    label_smoothing: float = 0.0,
    examples: int | None = None,
) -> LinearHead:
    """Fit the head.

    Args:
        features: float32 (N, D).
        targets: float (N, classes), 0 and 1.
        weights: of the rows, (N,), mean 1.
        multi_label: a sigmoid per class instead of the softmax.
        label_smoothing: 0 to less than 1 (Szegedy et al. 2015, arXiv:1512.00567, section 7).
        examples: how many independent ones the rows stand for; views of one photo count once.
            Default: N.
    """
    from scipy.optimize import minimize

    mean, variance = moments(features)
    x = ((features - mean) / np.sqrt(variance)).astype(np.float64)
    (rows, width), classes = x.shape, targets.shape[1]
    t = targets * (1 - label_smoothing) + label_smoothing / (2 if multi_label else classes)
    w = np.ones(rows) if weights is None else weights.astype(np.float64)
    penalty = width / (examples or rows)  # the prior, per example

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        kernel, bias = flat[: width * classes].reshape(width, classes), flat[width * classes :]
        logits = x @ kernel + bias
        losses, p = _losses(logits, t, multi_label)
        difference = (p - t) * (w / rows)[:, None]
        gradient = np.concatenate(
            [(x.T @ difference + penalty * kernel).ravel(), difference.sum(0)]
        )
        return float(losses @ w / rows + 0.5 * penalty * (kernel**2).sum()), gradient

    start = np.zeros((width + 1) * classes)
    solution = minimize(
        objective,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": ITERATIONS, "ftol": 1e-10},
    )
    kernel, bias = (
        solution.x[: width * classes].reshape(width, classes),
        solution.x[width * classes :],
    )
    return LinearHead(
        mean, variance, kernel.astype(np.float32), bias.astype(np.float32), float(solution.fun)
    )


def _losses(
    logits: np.ndarray, targets: np.ndarray, multi_label: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Cross-entropy (N,) and probabilities (N, classes)."""
    if multi_label:
        losses = (np.logaddexp(0, logits) - targets * logits).sum(1)
        return losses, np.exp(-np.logaddexp(0, -logits))
    log_p = log_softmax(logits)
    return -(targets * log_p).sum(1), np.exp(log_p)
