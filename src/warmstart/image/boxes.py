"""Boxes as arrays (N, 4) of xmin, ymin, xmax, ymax: overlap, suppression, and the choice of what is
shown.
"""

from __future__ import annotations

import numpy as np

from warmstart.core.results import best

SUPPRESSED_AT_ONCE = 1000  # most confident boxes of a class that suppression considers


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair, (len(a), len(b)); 0 where both are empty."""
    return _overlaps(*a.T[:, :, None], areas(a)[:, None], *b.T[:, None], areas(b)[None])


def _overlaps(
    xmin: np.ndarray,
    ymin: np.ndarray,
    xmax: np.ndarray,
    ymax: np.ndarray,
    area: np.ndarray,
    *others: np.ndarray,
) -> np.ndarray:
    """Of boxes and others, both as sides and areas."""
    width = np.minimum(xmax, others[2]) - np.maximum(xmin, others[0])
    height = np.minimum(ymax, others[3]) - np.maximum(ymin, others[1])
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    union = area + others[4] - shared
    ratio: np.ndarray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return ratio


def areas(boxes: np.ndarray) -> np.ndarray:
    """Width times height, (N,); 0 for boxes whose sides are the wrong way round."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T
    result: np.ndarray = np.maximum(width, 0) * np.maximum(height, 0)
    return result


def suppress(boxes: np.ndarray, scores: np.ndarray, limit: float, most: int) -> np.ndarray:
    """Non-maximum suppression: indices of the boxes that stay, most confident first, `most` of them.

    A box goes where a more confident one that stays overlaps it by more than `limit` (intersection over
    union).
    """
    left = best(scores, SUPPRESSED_AT_ONCE)
    rest = np.vstack(
        [boxes[left].T, areas(boxes[left])]
    )  # sides and areas (5, N) of those that may stay
    selected: list[int] = []
    while len(left) and len(selected) < most:
        selected.append(left[0])
        stays = _overlaps(*rest[:, 0], *rest[:, 1:]) <= limit
        left, rest = left[1:][stays], rest[:, 1:][:, stays]
    return np.array(selected, int)


def choose(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, most: int, suppression: float | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The boxes that are shown, most confident first.

    Args:
        boxes: (N, 4).
        scores: (N, classes), 0 to 1; one box may be shown for several classes, as the references
            do.
        threshold: least score.
        most: boxes at most.
        suppression: overlap above which the less confident of two boxes of one class goes; None: none
            does.

    Returns:
        (indices in `boxes`, classes, scores), each (M,).
    """
    index, label = np.nonzero(scores >= threshold)
    score = scores[index, label]
    if suppression is not None and len(index):
        selected = [
            members[suppress(boxes[index[members]], score[members], suppression, most)]
            for members in (np.nonzero(label == one)[0] for one in np.unique(label))
        ]
        left = np.sort(np.concatenate(selected))
        index, label, score = index[left], label[left], score[left]
    order = best(score, most)
    return index[order], label[order], score[order]
