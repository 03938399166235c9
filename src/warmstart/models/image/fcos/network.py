"""FCOS: every pixel of a feature pyramid predicts the class of its box and the distances to its
four sides; there are no anchors.

Source: Tian, Shen, Chen, He, "FCOS: Fully Convolutional One-Stage Object Detection" (2019),
arXiv:1904.01355: the pyramid of section 3.2 with strides 8, 16 and 32, centre sampling of the
authors' later version, and instead of centre-ness a branch that predicts the overlap (Wu et al.,
"IoU-aware Single-stage Object Detector", 2019, arXiv:1912.05992). The levels share convolutions,
but not normalisations. For transfer learning from any classification backbone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from warmstart.checkpoints.layout import load_by_name
from warmstart.models.image.pyramid import backbone_builder, norm, pointwise, taps

STRIDES = (8, 16, 32)
REACH = (0.0, 64.0, 128.0, float("inf"))
"""Limits of the distance, in pixels of the input, between a pixel and the farthest side of a box
that it predicts: two per level.
"""
PRIOR = 0.01
"""The initial probability of every class, so that the many background pixels do not dominate the
first steps.
"""


@dataclass(frozen=True)
class Grid:
    """The N pixels of all levels: centres (N, 2) as x, y, strides (N,), least and largest distance
    (N, 2) to the farthest side.
    """

    centres: np.ndarray
    strides: np.ndarray
    reach: np.ndarray


def grid(size: Sequence[int]) -> Grid:
    """The grid of pictures of (height, width)."""
    centres, strides, reach = [], [], []
    for level, stride in enumerate(STRIDES):
        rows, columns = (-(-side // stride) for side in size)
        y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        centres.append((np.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(np.full(rows * columns, stride))
        reach.append(np.tile(REACH[level : level + 2], (rows * columns, 1)))
    return Grid(
        np.concatenate(centres).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
        np.concatenate(reach).astype(np.float32),
    )


@backbone_builder("fcos")
def build(base: keras.Model, config: Mapping[str, Any], classes: int) -> Any:
    """Build the network.

    Args:
        config: `base` (architecture and config of the backbone), `classes`, `input_size` (H, W),
            `width` of pyramid and head (default 64), `depth` of the head's two towers (default 2).
        include_top: False gives the backbone.
        input_shape: (H, W, 3); default: the config's.
        pooling: without the top, as the backbone takes it.
        classes: default: the config's.

    Returns:
        A `keras.Model` from pictures as the backbone takes them to `{"logits": (B, N, classes), "distances":
        (B, N, 4), "quality": (B, N, 1)}`: distances from each of the N pixels of `grid` to the
        left, top, right and bottom side, in pixels of the input; quality is the logit of the
        predicted overlap.

    Raises:
        UsageError: the backbone has no maps of strides 8, 16 and 32.
    """
    width = config.get("width", 64)
    maps = taps(base, STRIDES)
    towers = {
        name: [
            _shared_separable(width, f"{name}_tower_{depth}")
            for depth in range(config.get("depth", 2))
        ]
        for name in ("class", "box")
    }
    last = {
        "logits": layers.Conv2D(
            classes,
            3,
            padding="same",
            name="class_logits",
            dtype="float32",
            bias_initializer=keras.initializers.Constant(-log(1 / PRIOR - 1)),
        ),
        "distances": layers.Conv2D(4, 3, padding="same", name="box_distances", dtype="float32"),
        "quality": layers.Conv2D(1, 3, padding="same", name="box_quality", dtype="float32"),
    }
    outputs: dict[str, list[Any]] = {name: [] for name in last}
    for stride, x in _pyramid(maps, width).items():
        features = {name: _tower(x, tower, stride) for name, tower in towers.items()}
        logits = last["logits"](features["class"])
        scale = Scale(name=f"box_scale_{stride}")(last["distances"](features["box"]))
        level = {
            "logits": logits,
            "distances": ops.exp(ops.clip(scale, -6, 6)) * stride,
            "quality": last["quality"](features["box"]),
        }
        for name, value in level.items():
            outputs[name].append(
                ops.reshape(value, (-1, value.shape[1] * value.shape[2], value.shape[3]))
            )
    return {name: ops.concatenate(parts, axis=1) for name, parts in outputs.items()}


class Scale(layers.Layer):
    """x times a learned number, one per level (section 3.2)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale


def _pyramid(maps: Mapping[int, Any], width: int) -> dict[int, Any]:
    """The maps with the features of smaller maps added, all of the same width."""
    levels: dict[int, Any] = {}
    above = None
    for stride in sorted(maps, reverse=True):
        x = pointwise(maps[stride], width, f"fpn_{stride}")
        if above is not None:
            up = layers.UpSampling2D(2, name=f"fpn_{stride}_up")(above)[
                :, : x.shape[1], : x.shape[2]
            ]
            x = layers.Add(name=f"fpn_{stride}_add")([x, up])
        above = x
        levels[stride] = _tower(x, [_shared_separable(width, f"fpn_{stride}_smooth")], stride)
    return {stride: levels[stride] for stride in STRIDES}


def _shared_separable(width: int, name: str) -> tuple[str, list[layers.Layer]]:
    return name, [
        layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise"),
        layers.Conv2D(width, 1, use_bias=False, kernel_initializer="he_normal", name=name),
    ]


def _tower(x: Any, shared: Sequence[tuple[str, list[layers.Layer]]], stride: int) -> Any:
    """Convolutions that all levels share, each pair followed by a normalisation of this level."""
    for name, pair in shared:
        for layer in pair:
            x = layer(x)
        x = layers.ReLU(name=f"{name}_relu_{stride}")(norm(x, f"{name}_bn_{stride}"))
    return x


def detections(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Scores (B, N, classes), 0 to 1, and boxes (B, N, 4) as xmin, ymin, xmax, ymax in fractions of
    the input.
    """
    height, width = model.input.shape[1:3]
    centres = grid((height, width)).centres[None]
    logits, distances, quality = (model.output[name] for name in ("logits", "distances", "quality"))
    low, high = ops.subtract(centres, distances[..., :2]), ops.add(centres, distances[..., 2:])
    size = np.array([width, height] * 2, np.float32)
    scores = ops.sqrt(ops.sigmoid(logits) * ops.sigmoid(quality))
    return {"scores": scores, "boxes": ops.concatenate([low, high], axis=-1) / size}


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """The last map of the backbone, which the pyramid takes."""
    return model.get_layer("fpn_32").input


load = load_by_name
