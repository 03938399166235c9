"""COCO's average precision and recall of boxes, with the rules of pycocotools' COCOeval (its
numbers to 1e-6).

Source: Lin et al., "Microsoft COCO: Common Objects in Context" (2014), arXiv:1405.0312, and the
evaluation of https://cocodataset.org/#detection-eval: ten overlaps from 0.5 to 0.95, 101 points of
recall, 100 boxes a photo.
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
    """What is on one photo: boxes (N, 4) as xmin, ymin, xmax, ymax in pixels, and labels (N,).

    `crowd` marks regions of many things, which excuse every box inside; `difficult` objects need not
    be detected, and boxes that match them do not count, as in Pascal VOC's evaluation (Everingham et
    al. 2010, section 4.2); `area` (N,) decides small, medium and large (default: that of the boxes).
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray | None = None
    area: np.ndarray | None = None
    difficult: np.ndarray | None = None


@dataclass(frozen=True)
class PredictedBoxes:
    """What a model says of one photo: boxes (N, 4), labels (N,), scores (N,)."""

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


@dataclass
class _Matches:
    """Of one photo and class: scores (D,), and per overlap whether each box is right or does not
    count, (T, D).
    """

    scores: np.ndarray
    right: np.ndarray
    ignored: np.ndarray
    truths: int


@dataclass
class CocoEvaluation:
    """Collects photos one by one; `result` gives the figures. Photos themselves are not stored.

    Args:
        classes: how many.
    """

    classes: int
    photos: list[dict[int, dict[str, _Matches]]] = field(default_factory=list)

    def add(self, truth: Truth, predictions: PredictedBoxes) -> None:
        """One more photo; order does not matter but among equal scores."""
        matches: dict[int, dict[str, _Matches]] = {}
        for label in np.unique(np.concatenate([truth.labels, predictions.labels]).astype(int)):
            mine, theirs = truth.labels == label, predictions.labels == label
            crowd, difficult = (
                np.zeros(mine.sum(), bool) if flags is None else flags[mine].astype(bool)
                for flags in (truth.crowd, truth.difficult)
            )
            boxes = truth.boxes[mine].astype(np.float64)
            sides = boxes[:, 2:] - boxes[:, :2]
            area = sides.prod(-1) if truth.area is None else truth.area[mine]
            order = np.argsort(-predictions.scores[theirs], kind="mergesort")[: MOST[-1]]
            predicted = predictions.boxes[theirs][order].astype(np.float64)
            scores = predictions.scores[theirs][order]
            matches[int(label)] = _match(boxes, crowd, difficult, area, predicted, scores)
        self.photos.append(matches)

    def result(self) -> dict[str, Any]:
        """`ap`, `ap50`, `ap75`, `ap_small`, `ap_medium`, `ap_large`, `ar1`, `ar10`, `ar100`,
        `ar_small`, `ar_medium`, `ar_large` (NaN where nothing of that size exists) and `per_class`:
        index -> `ap`, `ap50`, `ar100`, `count`."""
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
        """Precision (T, 101) and recall (T,) of one class; -1 where it has no truth of that size."""
        parts = [photo[label][size] for photo in self.photos if label in photo]
        truths = sum(part.truths for part in parts)
        precision, recall = -np.ones((len(OVERLAPS), len(RECALLS))), -np.ones(len(OVERLAPS))
        if not truths:
            return precision, recall
        scores = np.concatenate([part.scores[:most] for part in parts])
        order = np.argsort(-scores, kind="mergesort")
        right = np.concatenate([part.right[:, :most] for part in parts], axis=1)[:, order]
        counts = ~np.concatenate([part.ignored[:, :most] for part in parts], axis=1)[:, order]
        hits, misses = np.cumsum(right & counts, axis=1), np.cumsum(~right & counts, axis=1)
        for index, (hit, miss) in enumerate(
            zip(hits.astype(float), misses.astype(float), strict=True)
        ):
            reached = hit / truths
            recall[index] = reached[-1] if len(reached) else 0
            exact = hit / (hit + miss + np.spacing(1))
            envelope = np.maximum.accumulate(exact[::-1])[::-1]
            at = np.searchsorted(reached, RECALLS, side="left")
            precision[index] = (
                np.where(at < len(envelope), envelope[np.minimum(at, len(envelope) - 1)], 0)
                if len(envelope)
                else 0
            )
        return precision, recall


def _mean(values: np.ndarray) -> float:
    known = values[values > -1]
    return float(known.mean()) if known.size else float("nan")


def _match(
    boxes: np.ndarray,
    crowd: np.ndarray,
    difficult: np.ndarray,
    area: np.ndarray,
    predicted: np.ndarray,
    scores: np.ndarray,
) -> dict[str, _Matches]:
    """Give each box of the model, the most confident first, the truth that it overlaps most and that
    is still free.
    """
    overlap = _overlaps(predicted, boxes, crowd)
    sides = predicted[:, 2:] - predicted[:, :2]
    predicted_area = sides.prod(-1)
    reusable = crowd | difficult
    result: dict[str, _Matches] = {}
    for size, (least, largest) in SIZES.items():
        excused = reusable | (area < least) | (area > largest)
        right = np.zeros((len(OVERLAPS), len(predicted)), bool)
        ignored = np.zeros_like(right)
        free = np.ones((len(OVERLAPS), len(boxes)), bool)
        limit = np.minimum(OVERLAPS, 1 - 1e-10)[:, None]
        for index in range(len(predicted) if len(boxes) else 0):
            possible = (free | reusable) & (overlap[index] >= limit)
            open_rows = np.ones(len(OVERLAPS), bool)
            for group in (~excused, excused):  # the excused only where nothing else fits
                candidate = np.where(possible & group, overlap[index], -1)
                best = (
                    candidate.shape[1] - 1 - candidate[:, ::-1].argmax(1)
                )  # among equals the last
                rows = np.nonzero(open_rows & (candidate.max(1) >= 0))[0]
                right[rows, index] = True
                ignored[rows, index] = excused[best[rows]]
                free[rows, best[rows]] = False
                open_rows[rows] = False
        outside = (predicted_area < least) | (predicted_area > largest)
        ignored |= ~right & outside
        result[size] = _Matches(scores, right, ignored, int((~excused).sum()))
    return result


def _overlaps(predicted: np.ndarray, boxes: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Intersection over union; over the model's own box where the truth is a crowd."""
    low = np.maximum(predicted[:, None, :2], boxes[None, :, :2])
    high = np.minimum(predicted[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    own = (predicted[:, 2:] - predicted[:, :2]).prod(-1)[:, None]
    union = np.where(crowd[None], own, own + (boxes[:, 2:] - boxes[:, :2]).prod(-1)[None] - shared)
    ratio: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio
