"""The training targets of D-FINE and its losses.

Source: Peng et al., "D-FINE" (2024), arXiv:2410.13842, sections 4.1 (fine-grained localisation) and
4.2 (self-distillation); L1 and generalised intersection over union of DETR (Carion et al. 2020,
arXiv:2005.12872); the varifocal loss is that of Zhang et al. (2021), arXiv:2008.13367, with the
weights of RT-DETR (Zhao et al. 2023, arXiv:2304.08069).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from warmstart.image.train.fcos_targets import IGNORED, NOTHING
from warmstart.image.train.matching import SMALLEST, match
from warmstart.models.image.dfine.decoder import offset_table

ALPHA, GAMMA = 0.75, 2.0
TEMPERATURE = 5.0
"""The temperature of the distributions in the self-distillation."""
WEIGHTS = {"classes": 1.0, "sides": 5.0, "overlap": 2.0, "offsets": 0.15, "distilled": 1.5}
COVERED = 0.5
"""The fraction of a predicted box inside an ignored box above which it is not learned as
background; the threshold of COCO's evaluation.
"""


class DFineTargets:
    """Computes the target of the loss from the boxes and labels of a picture.

    Args:
        size: (height, width) of the network's input.
        max_boxes: rows of the array; further boxes of a picture are dropped.
    """

    def __init__(self, size: Sequence[int], max_boxes: int):
        self.size, self.max_boxes = size, max_boxes

    def __call__(self, boxes: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The target, float32 (max_boxes, 5): class, `IGNORED` or `NOTHING`; centre and size as
        fractions of the picture.
        """
        height, width = self.size
        out = np.zeros((self.max_boxes, 5), np.float32)
        out[:, 0] = NOTHING
        count = min(len(boxes), self.max_boxes)
        fractions = boxes[:count] / np.array([width, height] * 2, np.float32)
        out[:count, 0] = labels[:count]
        out[:count, 1:3] = (fractions[:, :2] + fractions[:, 2:]) / 2
        out[:count, 3:] = fractions[:, 2:] - fractions[:, :2]
        return out


def concatenate_stages(stages: Sequence[Mapping[str, Any]]) -> Any:
    """The stages of `build_training` as one tensor (B, Q, numbers) for the loss."""
    return ops.concatenate([stage[key] for stage in stages for key in sorted(stage)], axis=-1)


class DFineLoss(keras.losses.Loss):
    """The sum of the losses of all stages; one number per batch.

    Takes targets (B, M, 5) of `DFineTargets` and the stages as `concatenate_stages` returns them.

    Args:
        classes: the number of classes.
        config: of the network.
    """

    def __init__(self, classes: int, config: Mapping[str, Any], name: str = "dfine"):
        super().__init__(name=name, reduction="sum")
        self.classes, self.layers, self.bins = (
            classes,
            config["decoder_layers"],
            config["max_num_bins"],
        )
        self.scale = abs(config["reg_scale"])
        table = offset_table(self.bins, ops.array([config["up"]]), ops.array([self.scale]))
        self.table = np.asarray(table)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        losses = self.parts(y_true, self._stages(y_pred))
        return sum(WEIGHTS[name] * value for stage in losses for name, value in stage.items())

    def _stages(self, flat: Any) -> list[dict[str, Any]]:
        """The inverse of `concatenate_stages`."""
        plain = {"boxes": 4, "logits": self.classes}
        refined = {"boxes": 4, "corners": 4 * (self.bins + 1), "initial": 4, "logits": self.classes}
        start, stages = 0, []
        for widths in (plain, plain, *[refined] * self.layers):
            stage = {}
            for name, width in widths.items():
                stage[name] = flat[..., start : start + width]
                start += width
            stages.append(stage)
        return stages

    def parts(self, truth: Any, stages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The unweighted losses of each stage, by their names in `WEIGHTS`."""
        stages = [{**stage, "boxes": ops.clip(stage["boxes"], 0, 1)} for stage in stages]
        logits = ops.stack([stage["logits"] for stage in stages], axis=1)
        boxes = ops.stack([stage["boxes"] for stage in stages], axis=1)
        queries = matched_queries(logits, boxes, truth)
        last = stages[-1]
        return [
            self._stage(truth, stage, queries[:, number], None if stage is last else last)
            for number, stage in enumerate(stages)
        ]

    def _stage(
        self, truth: Any, stage: Mapping[str, Any], queries: Any, teacher: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        label = ops.cast(truth[..., 0], "int32")
        count = ops.maximum(ops.sum(ops.cast(label >= 0, "float32")), 1.0)
        is_matched = ops.cast(queries >= 0, "float32")  # (B, M)
        index = ops.maximum(queries, 0)[..., None]
        boxes, true_boxes = ops.take_along_axis(stage["boxes"], index, axis=1), truth[..., 1:]
        overlap, generalised = overlaps(boxes, true_boxes)
        quality = ops.stop_gradient(overlap) * is_matched
        assignment = ops.one_hot(queries, stage["logits"].shape[1])  # (B, M, Q)
        losses = {
            "classes": self._classes(truth, stage, assignment, quality),
            "sides": ops.sum(ops.abs(boxes - true_boxes) * is_matched[..., None]),
            "overlap": ops.sum((1 - generalised) * is_matched),
        }
        if "corners" in stage:
            losses["offsets"] = self._offsets(stage, index, true_boxes, quality)
        losses = {name: value / count for name, value in losses.items()}
        if teacher is not None and "corners" in stage:
            losses["distilled"] = self._distilled(stage, teacher, assignment, quality)
        return losses

    def _classes(self, truth: Any, stage: Mapping[str, Any], assignment: Any, quality: Any) -> Any:
        """Cross entropy with the overlap as the target, and small weights for easy background."""
        logits, label = stage["logits"], ops.cast(truth[..., 0], "int32")
        classes = ops.one_hot(label, self.classes)  # (B, M, classes)
        queries = ops.transpose(assignment, (0, 2, 1))
        positive = ops.matmul(queries, classes)
        truth_score = ops.matmul(queries, classes * quality[..., None])
        probability = ops.sigmoid(ops.stop_gradient(logits))
        weight = ALPHA * probability**GAMMA * (1 - positive) + truth_score
        is_unmatched = ops.cast(ops.sum(assignment, axis=1) == 0, "float32")  # (B, Q)
        ignored = is_unmatched * self._covered(stage["boxes"], truth)
        entropy = ops.binary_crossentropy(truth_score, logits, from_logits=True)
        return ops.sum(entropy * weight * (1 - ignored[..., None]))

    def _covered(self, boxes: Any, truth: Any) -> Any:
        """Whether the box of each query lies inside an `IGNORED` box: (B, Q), 0 or 1."""
        low, high = corners_of(ops.stop_gradient(boxes)[:, :, None])
        true_low, true_high = corners_of(truth[:, None, :, 1:])
        shared = ops.minimum(high, true_high) - ops.maximum(low, true_low)
        shared = ops.prod(ops.maximum(shared, 0), axis=-1)  # (B, Q, M)
        area = ops.maximum(ops.prod(high - low, axis=-1), SMALLEST)
        inside = ops.logical_and(shared / area > COVERED, truth[:, None, :, 0] == IGNORED)
        return ops.cast(ops.any(inside, axis=-1), "float32")

    def _offsets(self, stage: Mapping[str, Any], index: Any, true_boxes: Any, quality: Any) -> Any:
        """Cross entropy of the two bins around each side's true offset (equation 5), weighted by
        the overlap.
        """
        corners = ops.take_along_axis(stage["corners"], index, axis=1)  # (B, M, 4 * (bins + 1))
        corners = ops.reshape(corners, (-1, index.shape[1], 4, self.bins + 1))
        initial = ops.take_along_axis(ops.stop_gradient(stage["initial"]), index, axis=1)
        centre, unit = initial[..., :2], initial[..., 2:] / self.scale + 1e-16
        low, high = corners_of(true_boxes)
        offset = ops.concatenate([(centre - low) / unit, (high - centre) / unit], axis=-1)
        offset = ops.clip(offset - 0.5 * self.scale, self.table[0], self.table[-1])
        below = ops.sum(ops.cast(self.table <= offset[..., None], "int32"), axis=-1) - 1
        below = ops.clip(below, 0, self.bins - 1)
        left, right = ops.take(self.table, below), ops.take(self.table, below + 1)
        weight = (offset - left) / (right - left)
        truth = ops.one_hot(below, self.bins + 1) * (1 - weight)[..., None]
        truth = truth + ops.one_hot(below + 1, self.bins + 1) * weight[..., None]
        entropy = -ops.sum(truth * ops.log_softmax(corners, axis=-1), axis=-1)
        return ops.sum(entropy * quality[..., None])

    def _distilled(
        self, stage: Mapping[str, Any], teacher: Mapping[str, Any], assignment: Any, quality: Any
    ) -> Any:
        """Divergence from the last layer's distributions (equation 6): matched queries are
        weighted by their overlap, the others by the score of the last layer.
        """
        queries = stage["corners"].shape[1]
        shape = (-1, queries, 4, self.bins + 1)
        own = ops.log_softmax(ops.reshape(stage["corners"], shape) / TEMPERATURE, axis=-1)
        target = ops.stop_gradient(ops.reshape(teacher["corners"], shape))
        target = ops.log_softmax(target / TEMPERATURE, axis=-1)
        divergence = ops.sum(ops.exp(target) * (target - own), axis=-1) * TEMPERATURE**2
        is_matched = ops.sum(assignment, axis=1)  # (B, Q)
        score = ops.max(ops.sigmoid(ops.stop_gradient(teacher["logits"])), axis=-1)
        weight = ops.where(is_matched > 0, ops.sum(assignment * quality[..., None], axis=1), score)
        divergence = ops.sum(divergence, axis=-1) * weight
        pictures = ops.cast(ops.shape(is_matched)[0], "float32")
        total, weights = 0.0, 0.0
        for group in (is_matched, 1 - is_matched):
            sides = 4 * ops.sum(group)
            weight = ops.sqrt(sides / pictures)
            total = total + ops.sum(divergence * group) / ops.maximum(sides, 1.0) * weight
            weights = weights + weight
        return total / weights


def matched_queries(logits: Any, boxes: Any, truth: Any) -> Any:
    """`match` inside a TensorFlow program; it has no gradient."""
    import tensorflow as tf

    arrays = [ops.cast(array, "float32") for array in (logits, boxes, truth)]
    queries = tf.numpy_function(match, arrays, tf.int32, stateful=False)
    queries.set_shape((logits.shape[0], logits.shape[1], truth.shape[1]))
    return queries


def corners_of(boxes: Any) -> tuple[Any, Any]:
    """The corners (…, 2) with the lowest and the highest x and y, from centre and size (…, 4)."""
    half = boxes[..., 2:] / 2
    return boxes[..., :2] - half, boxes[..., :2] + half


def overlaps(a: Any, b: Any) -> tuple[Any, Any]:
    """Intersection over union, and its generalised form (-1 to 1), of pairs of boxes (…, 4)."""
    (low_a, high_a), (low_b, high_b) = corners_of(a), corners_of(b)
    shared = ops.minimum(high_a, high_b) - ops.maximum(low_a, low_b)
    shared = ops.prod(ops.maximum(shared, 0), axis=-1)
    union = ops.prod(high_a - low_a, axis=-1) + ops.prod(high_b - low_b, axis=-1) - shared
    hull = ops.prod(ops.maximum(high_a, high_b) - ops.minimum(low_a, low_b), axis=-1)
    overlap = shared / ops.maximum(union, SMALLEST)
    return overlap, overlap - (hull - union) / ops.maximum(hull, SMALLEST)
