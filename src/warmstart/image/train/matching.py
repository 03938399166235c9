"""Matches the queries of a detection transformer with boxes.

Source: Carion et al., "End-to-End Object Detection with Transformers" (2020), arXiv:2005.12872,
section 3.1; the cost of the classes is that of Zhu et al., "Deformable DETR" (2020),
arXiv:2010.04159.
"""

from __future__ import annotations

import numpy as np

from warmstart.engines.boxes import areas, overlaps

UNMATCHED = -1
ALPHA, GAMMA = 0.25, 2.0
CLASS_COST, SIDE_COST, OVERLAP_COST = 2.0, 5.0, 2.0
SMALLEST = 1e-8


def match(logits: np.ndarray, boxes: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Assign queries to boxes one to one, with the lowest total cost.

    Args:
        logits: (B, S, Q, classes), of S sets of queries.
        boxes: (B, S, Q, 4), centre and size as fractions of the picture.
        truth: (B, M, 5): class (negative without a box), centre and size.

    Returns:
        int32 (B, S, M), the query of each box; `UNMATCHED` without a box, or a query for it.
    """
    from scipy.optimize import linear_sum_assignment

    result = np.full((*logits.shape[:2], truth.shape[1]), UNMATCHED, np.int32)
    for photo, targets in enumerate(truth):
        rows = np.nonzero(targets[:, 0] >= 0)[0]
        if not len(rows):
            continue
        labels, true_boxes = targets[rows, 0].astype(int), targets[rows, 1:]
        for number in range(logits.shape[1]):
            cost = costs(logits[photo, number], boxes[photo, number], labels, true_boxes)
            queries, matched = linear_sum_assignment(cost)
            result[photo, number, rows[matched]] = queries
    return result


def costs(
    logits: np.ndarray, boxes: np.ndarray, labels: np.ndarray, truth: np.ndarray
) -> np.ndarray:
    """The costs of matching queries with boxes: (Q, M), finite.

    Args:
        logits, boxes: (Q, classes), (Q, 4).
        labels, truth: (M,), (M, 4).
    """
    probability = 1 / (1 + np.exp(-np.clip(logits[:, labels], -80, 80)))
    positive = ALPHA * (1 - probability) ** GAMMA * -np.log(probability + SMALLEST)
    negative = (1 - ALPHA) * probability**GAMMA * -np.log(1 - probability + SMALLEST)
    sides = np.abs(boxes[:, None] - truth[None]).sum(-1)
    overlap = generalised(corners(boxes), corners(truth))
    cost = CLASS_COST * (positive - negative) + SIDE_COST * sides - OVERLAP_COST * overlap
    finite: np.ndarray = np.nan_to_num(cost, nan=1e9, posinf=1e9, neginf=1e9)
    return finite


def corners(boxes: np.ndarray) -> np.ndarray:
    """Convert boxes (…, 4) from centre and size to xmin, ymin, xmax, ymax."""
    half = boxes[..., 2:] / 2
    return np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def generalised(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Generalised intersection over union of every pair, (len(a), len(b)), -1 to 1."""
    hull = np.maximum(a[:, None, 2:], b[None, :, 2:]) - np.minimum(a[:, None, :2], b[None, :, :2])
    ratio, hull_area = overlaps(a, b), np.maximum(hull.prod(-1), SMALLEST)
    union = (areas(a)[:, None] + areas(b)[None]) / (1 + ratio)  # ratio = shared / (both - shared)
    result: np.ndarray = ratio - (hull_area - union) / hull_area
    return result
