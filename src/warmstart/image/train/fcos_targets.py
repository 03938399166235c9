"""The training targets of FCOS (the pixels that predict each box) and its loss.

Source: Tian et al. (2019), arXiv:1904.01355, section 3.1, with centre sampling; focal loss of Lin
et al. (2017), arXiv:1708.02002; generalised intersection over union of Rezatofighi et al. (2019),
arXiv:1902.09630.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from warmstart.models.image.fcos.network import grid

RADIUS = 1.5  # the distance, in strides, from a box's centre within which pixels predict it
ALPHA, GAMMA = 0.25, 2.0
BOX_WEIGHT = 2.0
NOTHING, IGNORED = -1, -2
"""Class numbers of the background, and of regions that do not contribute to the loss."""


class FCOSTargets:
    """Computes the training targets of the N pixels from the boxes of a picture of one size."""

    def __init__(self, size: Sequence[int]):
        self.grid = grid(size)

    def __call__(self, boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The targets, float32 (N, 5): class, `NOTHING` or `IGNORED`; and the distances to left,
        top, right and bottom in pixels.

        A pixel inside several boxes predicts the smallest. A label may be `IGNORED`: pixels that
        are only inside such boxes are ignored.
        """
        points = self.grid
        out = np.zeros((len(points.centres), 5), np.float32)
        out[:, 0] = NOTHING
        ignored = boxes[labels == IGNORED]
        boxes, labels = boxes[labels != IGNORED], labels[labels != IGNORED]
        x, y = points.centres[:, :1], points.centres[:, 1:]
        if len(ignored):
            left, top, right, bottom = ignored.T[:, None]
            covered = np.stack([x - left, y - top, right - x, bottom - y], -1).min(-1) > 0
            out[covered.any(1), 0] = IGNORED
        if not len(boxes):
            return out
        left, top, right, bottom = boxes.T[:, None]
        sides = np.stack([x - left, y - top, right - x, bottom - y], -1)
        inside = sides.min(-1) > 0
        centre = (boxes[:, :2] + boxes[:, 2:]) / 2
        near = (
            np.abs(points.centres[:, None] - centre[None]).max(-1)
            < RADIUS * points.strides[:, None]
        )
        far = sides.max(-1)
        level = (far >= points.reach[:, :1]) & (far < points.reach[:, 1:])
        area = np.where(inside & near & level, (boxes[:, 2:] - boxes[:, :2]).prod(-1)[None], np.inf)
        best = area.argmin(1)
        rows = np.nonzero(np.isfinite(area[np.arange(len(area)), best]))[0]
        out[rows, 0] = labels[best[rows]]
        out[rows, 1:] = sides[rows, best[rows]]
        return out


class FCOSLoss(keras.losses.Loss):
    """The sum of the focal loss of classes, the GIoU loss of boxes, and the cross entropy of the
    predicted overlap; one number per batch.

    Takes targets (B, N, 5) of `FCOSTargets` and the concatenated outputs of the network, (B, N,
    classes + 5).
    """

    def __init__(self, classes: int, size: Sequence[int], name: str = "fcos"):
        super().__init__(name=name, reduction="sum")
        self.classes, self.size = classes, tuple(size)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        label = ops.cast(y_true[..., 0], "int32")
        positive = ops.cast(label >= 0, "float32")
        counted = ops.cast(label != IGNORED, "float32")[..., None]
        count = ops.maximum(ops.sum(positive), 1.0)
        logits = y_pred[..., : self.classes]
        truth = ops.one_hot(ops.maximum(label, NOTHING), self.classes)
        classes = ops.sum(focal(truth, logits) * counted) / count
        distances, quality = (
            y_pred[..., self.classes : self.classes + 4],
            y_pred[..., self.classes + 4],
        )
        sides = ops.where(positive[..., None] > 0, y_true[..., 1:], 1.0)
        overlap, general = overlaps(sides, distances)
        boxes = ops.sum((1 - general) * positive) / count
        entropy = ops.binary_crossentropy(ops.stop_gradient(overlap), quality, from_logits=True)
        return classes + BOX_WEIGHT * boxes + ops.sum(entropy * positive) / count


def focal(truth: Any, logits: Any) -> Any:
    """Focal loss: binary cross entropy with small weights for easy examples; the logits' shape."""
    entropy = ops.binary_crossentropy(truth, logits, from_logits=True)
    probability = ops.sigmoid(logits)
    correct = truth * probability + (1 - truth) * (1 - probability)
    return (ALPHA * truth + (1 - ALPHA) * (1 - truth)) * (1 - correct) ** GAMMA * entropy


def overlaps(a: Any, b: Any) -> tuple[Any, Any]:
    """Intersection over union, and its generalised form (-1 to 1), of boxes around the same point,
    as distances to their sides (…, 4).
    """

    def area(sides: Any) -> Any:
        return (sides[..., 0] + sides[..., 2]) * (sides[..., 1] + sides[..., 3])

    shared, hull = area(ops.minimum(a, b)), area(ops.maximum(a, b))
    union = area(a) + area(b) - shared
    overlap = shared / ops.maximum(union, 1e-6)
    return overlap, overlap - (hull - union) / ops.maximum(hull, 1e-6)
