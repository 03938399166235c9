"""Measures of how well fixed features suit a task: LogME, and a linear probe.

LogME: You, Liu, Wang, Long, "LogME: Practical Assessment of Pre-trained Models for Transfer
Learning" (2021), arXiv:2102.11005. Each class is a Bayesian linear regression of its indicator on
the features; the evidence is maximised over the precisions of prior and noise (section 4.2), and
the score is the mean over classes of the log evidence per example.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from warmstart.core.metrics.calibration import decisions, negative_log_likelihood, probabilities
from warmstart.core.metrics.linear import solve

FOLDS = 5
ROUNDS = 30  # of the fixed point, which converges in a few
TINY = 1e-12


def logme(features: np.ndarray, targets: np.ndarray) -> float:
    """The LogME score; higher is better, and only scores on the same examples are comparable.

    Args:
        features: (N, D).
        targets: (N, classes), 0 and 1.
    """
    left, singular, _ = np.linalg.svd(np.asarray(features, np.float64), full_matrices=False)
    return float(
        np.mean(
            [
                evidence(left, singular**2, column, features.shape[1])[0]
                for column in targets.astype(np.float64).T
            ]
        )
    )


def evidence(
    left: np.ndarray, spectrum: np.ndarray, target: np.ndarray, width: int
) -> tuple[float, float, float]:
    """The largest log evidence per example of a regression, and its precisions of prior and noise.

    y ~ N(F w, 1/beta), w ~ N(0, 1/alpha) with features F (N, D) = left sqrt(spectrum) right.

    Args:
        left: left singular vectors (N, K).
        spectrum: squared singular values (K,).
        target: (N,).
        width: D.
    """
    count = len(target)
    along = (left.T @ target) ** 2  # the target's energy along each singular vector
    beyond = max(float(target @ target - along.sum()), 0.0)  # and outside all of them
    alpha = beta = 1.0
    for _ in range(ROUNDS):
        ratio = alpha / beta
        effective = float((spectrum / (spectrum + ratio)).sum())
        # squared norm of the mean weights
        weight = float((spectrum * along / (spectrum + ratio) ** 2).sum())
        residual = beyond + float((along * (ratio / (spectrum + ratio)) ** 2).sum())
        alpha, beta = (
            max(effective, TINY) / max(weight, TINY),
            max(count - effective, TINY) / max(residual, TINY),
        )
        if abs(alpha / beta - ratio) <= 1e-4 * ratio:
            break
    ratio = alpha / beta
    weight = float((spectrum * along / (spectrum + ratio) ** 2).sum())
    residual = beyond + float((along * (ratio / (spectrum + ratio)) ** 2).sum())
    log_determinant = float(np.log(alpha + beta * spectrum).sum()) + (
        width - len(spectrum)
    ) * np.log(alpha)
    evidence = 0.5 * (
        width * np.log(alpha)
        + count * np.log(beta)
        - log_determinant
        - beta * residual
        - alpha * weight
        - count * np.log(2 * np.pi)
    )
    return float(evidence / count), alpha, beta


@dataclass(frozen=True)
class Probe:
    """The cross-validated metrics of a linear classifier on features.

    Attributes:
        accuracy: 0 to 1; for several labels per example, that of the single decisions.
        error: the standard error of the accuracy, from the number of examples.
        loss: the mean negative log likelihood, which separates models of equal accuracy.
    """

    accuracy: float
    error: float
    loss: float


def probe(
    features: np.ndarray, targets: np.ndarray, folds: np.ndarray, *, multi_label: bool = False
) -> Probe:
    """Cross-validate the default head of fine-tuning (see `linear`).

    Args:
        features: float32 (N, D).
        targets: float32 (N, classes), 0 and 1.
        folds: the fold of each example, (N,).
    """
    logits = np.zeros(targets.shape)
    for fold in np.unique(folds):
        is_test = folds == fold
        head = solve(features[~is_test], targets[~is_test], multi_label=multi_label)
        logits[is_test] = head.logits(features[is_test])
    truth = targets if multi_label else targets.argmax(1)
    _, correct = decisions(probabilities(logits, multi_label), truth, multi_label)
    accuracy = float(correct.mean())
    error = float(np.sqrt(max(accuracy * (1 - accuracy), 1e-9) / len(features)))
    return Probe(accuracy, error, negative_log_likelihood(logits, truth, multi_label))


def stratified_folds(
    targets: np.ndarray, groups: list[str], count: int = FOLDS, seed: int = 0
) -> np.ndarray:
    """The fold of each example, (N,): classes are distributed evenly, and equal contents stay
    together.

    Args:
        targets: (N, classes), 0 and 1.
        groups: a key of each example's content.
    """
    first: dict[str, int] = {}
    for index, group in enumerate(groups):
        first.setdefault(group, index)
    rows = np.array(list(first.values()))
    random = np.random.default_rng(seed)
    rows = rows[random.permutation(len(rows))]
    label_sets = [tuple(row) for row in targets[rows].astype(bool)]
    order = sorted(range(len(rows)), key=label_sets.__getitem__)  # stable, so grouped by class
    fold_of = {groups[rows[i]]: n % count for n, i in enumerate(order)}
    return np.array([fold_of[group] for group in groups])
