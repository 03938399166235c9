"""COCO's average precision and recall of boxes, as in pycocotools' COCOeval (equal to 1e-6).

Source: Lin et al., "Microsoft COCO: Common Objects in Context" (2014), arXiv:1405.0312, and the
evaluation of https://cocodataset.org/#detection-eval: ten overlaps from 0.5 to 0.95, 101 recall
points, 100 boxes per photo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = (1, 10, 100)
SIZES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}


@dataclass(frozen=True)
class Truth:
    """The true boxes of a photo.

    Attributes:
        boxes: (N, 4), xmin, ymin, xmax, ymax in pixels.
        labels: (N,), indices of classes.
        crowd: (N,), regions of many objects; boxes inside them are ignored.
        area: (N,), which decides between small, medium and large; default: that of the boxes.
        difficult: (N,), objects that need not be detected; boxes that match them are ignored, as in
            Pascal VOC's evaluation (Everingham et al. 2010, section 4.2).
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray | None = None
    area: np.ndarray | None = None
    difficult: np.ndarray | None = None


@dataclass(frozen=True)
class PredictedBoxes:
    """The predicted boxes of a photo: boxes (N, 4), labels (N,), scores (N,)."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass
class _Matches:
    """The matches of a photo and class: scores (D,), and for each overlap whether each box is
    correct, and whether it is ignored, (T, D).
    """

    scores: np.ndarray
    correct: np.ndarray
    ignored: np.ndarray
    truths: int


@dataclass
class CocoEvaluation:
    """Collects the boxes of photos, without the photos; `result` returns the metrics.

    Args:
        classes: the number of classes.
    """

    classes: int
    photos: list[dict[int, dict[str, _Matches]]] = field(default_factory=list)

    def add(self, truth: Truth, predictions: PredictedBoxes) -> None:
        """Add a photo; the order matters only for equal scores."""
        matches: dict[int, dict[str, _Matches]] = {}
        for label in np.unique(np.concatenate([truth.labels, predictions.labels]).astype(int)):
            is_true, is_predicted = truth.labels == label, predictions.labels == label
            crowd, difficult = (
                np.zeros(is_true.sum(), bool) if flags is None else flags[is_true].astype(bool)
                for flags in (truth.crowd, truth.difficult)
            )
            boxes = truth.boxes[is_true].astype(np.float64)
            sides = boxes[:, 2:] - boxes[:, :2]
            area = sides.prod(-1) if truth.area is None else truth.area[is_true]
            order = np.argsort(-predictions.scores[is_predicted], kind="mergesort")[: MOST[-1]]
            predicted = predictions.boxes[is_predicted][order].astype(np.float64)
            scores = predictions.scores[is_predicted][order]
            matches[int(label)] = _match(boxes, crowd, difficult, area, predicted, scores)
        self.photos.append(matches)

    def result(self) -> dict[str, Any]:
        """`ap`, `ap50`, `ap75`, `ap_small`, `ap_medium`, `ap_large`, `ar1`, `ar10`, `ar100`,
        `ar_small`, `ar_medium`, `ar_large` (NaN without objects of that size) and `per_class`:
        index -> `ap`, `ap50`, `ar100`, `count`.
        """
        precision: dict[str, np.ndarray] = {}
        recall: dict[tuple[str, int], np.ndarray] = {}
        for size in SIZES:
            columns = [self._accumulate(label, size, MOST[-1]) for label in range(self.classes)]
            precision[size] = (
                np.stack([p for p, _ in columns], -1) if columns else np.empty((10, 101, 0))
            )
            recall[size, MOST[-1]] = (
                np.stack([r for _, r in columns], -1) if columns else np.empty((10, 0))
            )
        for most in MOST[:-1]:
            recall["all", most] = np.stack(
                [self._accumulate(k, "all", most)[1] for k in range(self.classes)], -1
            )
        whole = precision["all"]
        figures: dict[str, Any] = {
            "ap": _mean(whole),
            "ap50": _mean(whole[0]),
            "ap75": _mean(whole[5]),
        }
        figures |= {f"ap_{size}": _mean(precision[size]) for size in SIZES if size != "all"}
        figures |= {f"ar{most}": _mean(recall["all", most]) for most in MOST}
        figures |= {f"ar_{size}": _mean(recall[size, MOST[-1]]) for size in SIZES if size != "all"}
        figures["per_class"] = {
            label: {
                "ap": _mean(whole[..., label]),
                "ap50": _mean(whole[0, :, label]),
                "ar100": _mean(recall["all", MOST[-1]][:, label]),
                "count": self._truth_count(label),
            }
            for label in range(self.classes)
        }
        return figures

    def _truth_count(self, label: int) -> int:
        return sum(photo[label]["all"].truths for photo in self.photos if label in photo)

    def _accumulate(self, label: int, size: str, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Precision (T, 101) and recall (T,) of a class; -1 if it has no true box of that size."""
        matches = [photo[label][size] for photo in self.photos if label in photo]
        truths = sum(match.truths for match in matches)
        precision, recall = -np.ones((len(OVERLAPS), len(RECALLS))), -np.ones(len(OVERLAPS))
        if not truths:
            return precision, recall
        scores = np.concatenate([match.scores[:most] for match in matches])
        order = np.argsort(-scores, kind="mergesort")
        correct = np.concatenate([match.correct[:, :most] for match in matches], axis=1)[:, order]
        counts = ~np.concatenate([match.ignored[:, :most] for match in matches], axis=1)[:, order]
        hits, misses = np.cumsum(correct & counts, axis=1), np.cumsum(~correct & counts, axis=1)
        for index, (hit, miss) in enumerate(
            zip(hits.astype(float), misses.astype(float), strict=True)
        ):
            recalls = hit / truths
            recall[index] = recalls[-1] if len(recalls) else 0
            precisions = hit / (hit + miss + np.spacing(1))
            envelope = np.maximum.accumulate(precisions[::-1])[::-1]
            at = np.searchsorted(recalls, RECALLS, side="left")
            precision[index] = (
                np.where(at < len(envelope), envelope[np.minimum(at, len(envelope) - 1)], 0)
                if len(envelope)
                else 0
            )
        return precision, recall


def _mean(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if defined.size else float("nan")


def _match(
    boxes: np.ndarray,
    crowd: np.ndarray,
    difficult: np.ndarray,
    area: np.ndarray,
    predicted: np.ndarray,
    scores: np.ndarray,
) -> dict[str, _Matches]:
    """Match each predicted box, highest score first, with the free true box that it overlaps most."""
    overlap = _overlaps(predicted, boxes, crowd)
    sides = predicted[:, 2:] - predicted[:, :2]
    predicted_area = sides.prod(-1)
    reusable = crowd | difficult
    result: dict[str, _Matches] = {}
    for size, (least, largest) in SIZES.items():
        excused = reusable | (area < least) | (area > largest)
        correct = np.zeros((len(OVERLAPS), len(predicted)), bool)
        ignored = np.zeros_like(correct)
        free = np.ones((len(OVERLAPS), len(boxes)), bool)
        limit = np.minimum(OVERLAPS, 1 - 1e-10)[:, None]
        for index in range(len(predicted) if len(boxes) else 0):
            possible = (free | reusable) & (overlap[index] >= limit)
            open_rows = np.ones(len(OVERLAPS), bool)
            for group in (~excused, excused):  # excused boxes only if no other matches
                candidate = np.where(possible & group, overlap[index], -1)
                # the last one of equal overlaps
                best = candidate.shape[1] - 1 - candidate[:, ::-1].argmax(1)
                rows = np.nonzero(open_rows & (candidate.max(1) >= 0))[0]
                correct[rows, index] = True
                ignored[rows, index] = excused[best[rows]]
                free[rows, best[rows]] = False
                open_rows[rows] = False
        outside = (predicted_area < least) | (predicted_area > largest)
        ignored |= ~correct & outside
        result[size] = _Matches(scores, correct, ignored, int((~excused).sum()))
    return result


def _overlaps(predicted: np.ndarray, boxes: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union; for crowds, intersection over the predicted box."""
    low = np.maximum(predicted[:, None, :2], boxes[None, :, :2])
    high = np.minimum(predicted[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    own = (predicted[:, 2:] - predicted[:, :2]).prod(-1)[:, None]
    union = np.where(crowd[None], own, own + (boxes[:, 2:] - boxes[:, :2]).prod(-1)[None] - shared)
    ratio: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
