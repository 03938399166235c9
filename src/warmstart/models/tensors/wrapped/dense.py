"""Outputs of wrapped segmenters and detectors: maps of classes, and boxes.

The config describes the format of the outputs:

    form          of maps: "scores" (B, h, w, classes), or "indices" (B, h, w) of classes
    channels      of maps: "last", or "first" (B, classes, h, w)
    activation    of one channel: "binary" if it is a logit, "complement" where a probability; of
                  boxes, what makes probabilities of scores: "none", "softmax" or "sigmoid"
    boxes         the index of the output with boxes (B, N, 4)
    scores        the index of the output with scores (B, N, classes)
    joined        instead: "rows" (B, N, 4 + classes), or "columns" (B, 4 + classes, N)
    objectness    whether joined outputs have a score for any object behind the box
    corners       the numbers of a box: "xyxy", "yxyx", "xywh" or "cxcywh"
    units         of them: "fractions" of the input, or "pixels"
    background    if scores have one for no object: "none", "first" or "last"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from warmstart.models.tensors.wrapped.colour import in_colour

Config = Mapping[str, Any]


def segmentation_outputs(model: keras.Model, features: Any, config: Config) -> keras.Model:
    """The model of one photo with the outputs `logits` (B, h, w, classes), of which the largest is
    the class of a pixel, and maybe `features`.
    """
    scores = model.outputs[0]
    if config["form"] == "indices":
        if len(scores.shape) == 4:
            scores = scores[..., 0]
        scores = ops.one_hot(ops.cast(scores, "int32"), config["classes"], dtype="float32")
    else:
        scores = ops.cast(scores, "float32")
        if config["channels"] == "first":
            scores = ops.transpose(scores, (0, 2, 3, 1))
        if config["activation"] == "binary":
            scores = ops.concatenate([ops.zeros_like(scores), scores], axis=-1)
        elif config["activation"] == "complement":
            scores = ops.concatenate([1.0 - scores, scores], axis=-1)
    return in_colour(model, {"logits": scores}, features)


def detection_outputs(model: keras.Model, features: Any, config: Config) -> keras.Model:
    """The model of one photo with the outputs `scores` (B, N, classes) and `boxes` (B, N, 4): xmin,
    ymin, xmax, ymax as fractions of the input; and maybe `features`.
    """
    if joined := config.get("joined"):
        table = ops.cast(model.outputs[0], "float32")
        if joined == "columns":
            table = ops.transpose(table, (0, 2, 1))
        boxes, scores = table[..., :4], table[..., 4:]
    else:
        boxes, scores = (
            ops.cast(model.outputs[config[key]], "float32") for key in ("boxes", "scores")
        )
    if config["activation"] in ("softmax", "sigmoid"):
        scores = getattr(ops, config["activation"])(scores)
    if config.get("objectness"):
        scores = scores[..., :1] * scores[..., 1:]
    if config["background"] == "first":
        scores = scores[..., 1:]
    elif config["background"] == "last":
        scores = scores[..., :-1]
    outputs = {"scores": scores, "boxes": _corners(boxes, config)}
    return in_colour(model, outputs, features)


CORNERS = {
    "xyxy": ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
    "yxyx": ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1), (0, 0, 1, 0)),
    "xywh": ((1, 0, 1, 0), (0, 1, 0, 1), (0, 0, 1, 0), (0, 0, 0, 1)),
    "cxcywh": ((1, 0, 1, 0), (0, 1, 0, 1), (-0.5, 0, 0.5, 0), (0, -0.5, 0, 0.5)),
}
"""Form of boxes -> the matrix that makes rows of xmin, ymin, xmax, ymax of them. Slices and a
concatenation would be the same, but TensorFlow's converter fails on them after a transposition.
"""


def _corners(boxes: Any, config: Config) -> Any:
    """Boxes as xmin, ymin, xmax, ymax, in fractions of the input."""
    corners = ops.matmul(boxes, ops.convert_to_tensor(CORNERS[config["corners"]], "float32"))
    if config["units"] != "pixels":
        return corners
    height, width = config["size"]
    return corners * ops.convert_to_tensor([1.0 / width, 1.0 / height] * 2, "float32")
