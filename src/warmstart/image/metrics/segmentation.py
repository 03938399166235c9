"""Overlap of label maps with masks: counts of pixels by true and predicted class, and what is computed
from them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NOT_COUNTED = 255


class Confusion:
    """Pixels by true class (rows) and predicted class (columns), summed over photos.

    Args:
        classes: how many.
        not_counted: value of a mask's pixels that belong to no class.
    """

    def __init__(self, classes: int, not_counted: int = NOT_COUNTED):
        self.classes, self.not_counted = classes, not_counted
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Two maps (H, W) of class indices.

        Raises:
            ValueError: their sizes differ, or a value is not a class.
        """
        if truth.shape != predicted.shape:
            raise ValueError(f"the maps have {truth.shape} and {predicted.shape} pixels")
        counted = truth != self.not_counted
        mine, theirs = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
        for values in (mine, theirs):
            if values.size and (values.min() < 0 or values.max() >= self.classes):
                raise ValueError(
                    f"the value {values[(values < 0) | (values >= self.classes)][0]} is none of the "
                    f"{self.classes} classes"
                )
        self.counts += np.bincount(mine * self.classes + theirs, minlength=self.classes**2).reshape(
            self.counts.shape
        )

    def result(self) -> dict[str, Any]:
        """`miou`, `mean_dice`, `pixel_accuracy`, and arrays `iou`, `dice` by class.

        IoU is intersection over union, Dice twice the intersection over both; NaN for a class that
        neither has, which the means leave out.
        """
        hit = np.diag(self.counts).astype(float)
        both = self.counts.sum(0) + self.counts.sum(1)
        with np.errstate(invalid="ignore", divide="ignore"):
            iou, dice = hit / (both - hit), 2 * hit / both
            accuracy = hit.sum() / self.counts.sum()
        return {
            "miou": _mean(iou),
            "mean_dice": _mean(dice),
            "pixel_accuracy": float(accuracy),
            "iou": iou,
            "dice": dice,
        }


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
