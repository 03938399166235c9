"""Boxes as arrays (N, 4) of xmin, ymin, xmax, ymax: overlap, suppression, selection and
comparison.
"""

from __future__ import annotations

import numpy as np

from warmstart.ranking import best

MAX_BOXES = 300
"""The largest number of boxes of a result, unless another is requested."""
SUPPRESSION_CANDIDATES = 1000
"""The boxes of a class with the highest scores, which suppression considers."""
SAME = 0.5
"""The overlap from which two boxes of a class are the same object."""


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, (len(a), len(b)); 0 if both are empty."""
    return _overlaps(*a.T[:, :, None], areas(a)[:, None], *b.T[:, None], areas(b)[None])


def _overlaps(
    xmin: np.ndarray,
    ymin: np.ndarray,
    xmax: np.ndarray,
    ymax: np.ndarray,
    area: np.ndarray,
    *others: np.ndarray,
) -> np.ndarray:
    """Intersection over union of boxes and others, both as sides and areas."""
    width = np.minimum(xmax, others[2]) - np.maximum(xmin, others[0])
    height = np.minimum(ymax, others[3]) - np.maximum(ymin, others[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = area + others[4] - shared
    ratio: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def areas(boxes: np.ndarray) -> np.ndarray:
    """Width times height, (N,); 0 for boxes with a negative width or height."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    result: np.ndarray = np.maximum(width, 0) * np.maximum(height, 0)
    return result


def suppress(boxes: np.ndarray, scores: np.ndarray, limit: float, max_boxes: int) -> np.ndarray:
    """Non-maximum suppression: the indices of at most `max_boxes` selected boxes, highest score first.

    A box is dropped if a selected box with a higher score overlaps it by more than `limit`
    (intersection over union).
    """
    indices = best(scores, SUPPRESSION_CANDIDATES)
    candidates = np.vstack([boxes[indices].T, areas(boxes[indices])])  # sides and areas (5, N)
    selected: list[int] = []
    while len(indices) and len(selected) < max_boxes:
        selected.append(indices[0])
        remaining = _overlaps(*candidates[:, 0], *candidates[:, 1:]) <= limit
        indices, candidates = indices[1:][remaining], candidates[:, 1:][:, remaining]
    return np.array(selected, int)


def choose(
    boxes: np.ndarray,
    scores: np.ndarray,
    threshold: float,
    max_boxes: int,
    suppression: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Select the boxes of a result, highest score first.

    Args:
        boxes: (N, 4).
        scores: (N, classes), 0 to 1; a box may be selected for several classes, as in the reference
            implementations.
        threshold: the lowest score.
        max_boxes: the largest number of boxes.
        suppression: the overlap above which the box with the lower score of two boxes of a class is
            dropped; None: no box is dropped.

    Returns:
        (indices in `boxes`, classes, scores), each (M,).
    """
    index, label = np.nonzero(scores >= threshold)
    score = scores[index, label]
    if suppression is not None and len(index):
        selected = [
            members[suppress(boxes[index[members]], score[members], suppression, max_boxes)]
            for members in (np.nonzero(label == value)[0] for value in np.unique(label))
        ]
        remaining = np.sort(np.concatenate(selected))
        index, label, score = index[remaining], label[remaining], score[remaining]
    order = best(score, max_boxes)
    return index[order], label[order], score[order]


def common(a: np.ndarray, b: np.ndarray) -> int:
    """The number of boxes that two results share: pairs of the same class that overlap by at least
    `SAME`, each box in one pair.

    Args:
        a, b: (N, 5) and (M, 5): sides and class, highest score first.
    """
    overlap = overlaps(a[:, :4], b[:, :4]) * (a[:, 4:] == b[None, :, 4])
    count = 0
    for row in overlap if len(b) else ():
        index = row.argmax()
        if row[index] >= SAME:
            overlap[:, index] = 0
            count += 1
    return count
