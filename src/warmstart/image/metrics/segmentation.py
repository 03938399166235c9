"""Confusion matrices of label maps and masks, and the metrics computed from them."""

from __future__ import annotations

from typing import Any

import numpy as np

from warmstart.image.annotations.mask_values import NOT_COUNTED


class Confusion:
    """Pixels by true class (rows) and predicted class (columns), summed over photos.

    Args:
        classes: the number of classes.
    """

    def __init__(self, classes: int):
        self.classes = classes
        self.counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Add two maps (H, W) of class indices; pixels of `NOT_COUNTED` in `truth` are ignored.

        Raises:
            ValueError: their sizes differ, or a value is not a class.
        """
        if truth.shape != predicted.shape:
            raise ValueError(f"the maps have {truth.shape} and {predicted.shape} pixels")
        counted = truth != NOT_COUNTED
        true, other = truth[counted].astype(np.int64), predicted[counted].astype(np.int64)
        for values in (true, other):
            if values.size and (values.min() < 0 or values.max() >= self.classes):
                raise ValueError(
                    f"the value {values[(values < 0) | (values >= self.classes)][0]} is none of the "
                    f"{self.classes} classes"
                )
        self.counts += np.bincount(true * self.classes + other, minlength=self.classes**2).reshape(
            self.counts.shape
        )

    def result(self) -> dict[str, Any]:
        """`miou`, `mean_dice`, `pixel_accuracy`, and arrays `iou`, `dice` by class.

        IoU is intersection over union, Dice twice the intersection over the sum of both; NaN for a
        class that occurs in neither, which the means ignore.
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
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
