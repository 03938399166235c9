"""How good a classifier is: accuracy with its interval, figures per class, what is confused,
calibration, mistakes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MATRIX = 40  # classes up to which the whole confusion matrix is reported
CONFUSIONS = 20
MISTAKES = 20


def per_class(
    predicted: np.ndarray, true: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and count of the classes that occur in the answers or in the truth.

    Args:
        predicted, true: bool (N, classes).
        names: of the classes.

    Returns:
        By name: `precision` (how often a predicted label is right), `recall` (how many of
        the class are predicted), `f1` (their harmonic mean), each 0 to 1 and NaN where nothing defines
        it; `count` in the truth.
    """
    return _per_class((predicted & true).sum(0), predicted.sum(0), true.sum(0), names)


def _per_class(
    hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray, names: Sequence[str]
) -> dict[str, dict[str, float]]:
    return {
        name: {
            "precision": _share(hits[i], predicted[i]),
            "recall": _share(hits[i], actual[i]),
            "f1": _share(2 * hits[i], predicted[i] + actual[i]),
            "count": int(actual[i]),
        }
        for i, name in enumerate(names)
        if predicted[i] or actual[i]
    }


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: the difference of confidence and accuracy, by bins of equal
    width (Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks" (2017),
    arXiv:1706.04599, section 2)."""
    indices = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[indices == b].sum() - right[indices == b].sum()) for b in range(bins)]
    return float(sum(gaps) / max(len(confidence), 1))


def interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, "Probable inference" (1927)): 0 to 1."""
    if not count:
        return 0.0, 1.0
    z, share = 1.96, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        / (1 + z * z / count)
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return max(0.0, min(share, middle - half)), min(
        1.0, max(share, middle + half)
    )  # exact at 0 and 1 despite rounding


class ClassificationFigures:
    """Counts over the answers of a classifier with one label an example.

    Memory: 8 bytes a pair of classes and 9 an example.

    Args:
        names: of the classes.
    """

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self.counts = np.zeros((len(self.names), len(self.names)), np.int64)  # truth, answer
        self.top5 = 0
        self.confidence: list[float] = []
        self.right: list[bool] = []
        self.losses = 0.0
        self.mistakes: list[dict[str, Any]] = []

    def add(self, name: str, probabilities: np.ndarray, truth: int) -> None:
        """Count one answer: `probabilities` (classes,) and the index of the right class; `name` is
        the input's.
        """
        best = int(probabilities.argmax())
        self.counts[truth, best] += 1
        score = probabilities[truth]
        better = (probabilities > score).sum() + (
            probabilities[:truth] == score
        ).sum()  # ties as the model orders them
        self.top5 += int(better) < 5
        self.confidence.append(float(probabilities[best]))
        self.right.append(best == truth)
        self.losses -= math.log(max(float(probabilities[truth]), 1e-12))
        if best != truth:
            self.mistakes.append(
                {
                    "input": name,
                    "truth": self.names[truth],
                    "answer": self.names[best],
                    "score": round(float(probabilities[best]), 6),
                }
            )
            if len(self.mistakes) > 10 * MISTAKES:
                self.mistakes = _most_confident(self.mistakes)

    def result(self) -> dict[str, Any]:
        """`top1`, `top5`, `top1_interval` (95 %), `macro_f1` (mean over the classes that occur),
        `loss` (mean negative log likelihood), `calibration_error` (0 is perfect), `per_class` (see
        `per_class`), `confusions` (the most frequent, with counts), `confusion` (rows: truth; up to
        40 classes), `mistakes` (the most confident), `count`."""
        count, hits = int(self.counts.sum()), np.diagonal(self.counts)
        classes = _per_class(hits, self.counts.sum(0), self.counts.sum(1), self.names)
        scores = [row["f1"] for row in classes.values() if row["count"]]
        figures: dict[str, Any] = {
            "top1": _share(hits.sum(), count, 0.0),
            "top5": _share(self.top5, count, 0.0),
            "top1_interval": list(interval(int(hits.sum()), count)),
            "macro_f1": float(np.mean(scores)) if scores else 0.0,
            "loss": self.losses / max(count, 1),
            "calibration_error": calibration_error(
                np.array(self.confidence), np.array(self.right, bool)
            ),
            "per_class": classes,
            "confusions": self._confusions(),
            "mistakes": _most_confident(self.mistakes),
            "count": count,
        }
        if len(self.names) <= MATRIX:
            figures["confusion"] = self.counts.tolist()
        return figures

    def _confusions(self) -> list[dict[str, Any]]:
        wrong = self.counts - np.diag(np.diagonal(self.counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
        pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
        return [
            {"truth": self.names[i], "answer": self.names[j], "count": int(wrong[i, j])}
            for i, j in pairs
            if wrong[i, j]
        ]


class DecisionFigures:
    """Counts over the answers of a classifier with any number of labels an example: one decision a
    class.
    """

    def __init__(self, names: Sequence[str]):
        self.names = list(names)
        self.predicted: list[np.ndarray] = []
        self.true: list[np.ndarray] = []
        self.confidence: list[np.ndarray] = []

    def add(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        """Count one answer: `probabilities` (classes,) and bool (classes,)."""
        self.predicted.append(probabilities > 0.5)
        self.true.append(truth)
        self.confidence.append(np.where(probabilities > 0.5, probabilities, 1 - probabilities))

    def result(self) -> Mapping[str, Any]:
        """`accuracy` (of single decisions), `exact` (examples with all of them right), `macro_f1`,
        `calibration_error`, `per_class`, `count`."""
        predicted, true = (
            np.array(rows, bool).reshape(-1, len(self.names))
            for rows in (self.predicted, self.true)
        )
        classes = per_class(predicted, true, self.names)
        scores = [row["f1"] for row in classes.values() if row["count"]]
        alike = predicted == true
        return {
            "accuracy": float(alike.mean()) if len(predicted) else 0.0,
            "exact": float(alike.all(1).mean()) if len(predicted) else 0.0,
            "macro_f1": float(np.mean(scores)) if scores else 0.0,
            "calibration_error": calibration_error(
                np.array(self.confidence).ravel(), alike.ravel()
            ),
            "per_class": classes,
            "count": len(predicted),
        }


def _share(part: Any, whole: Any, nothing: float = math.nan) -> float:
    return float(part) / float(whole) if whole else nothing


def _most_confident(mistakes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(m) for m in sorted(mistakes, key=lambda mistake: -mistake["score"])[:MISTAKES]]
