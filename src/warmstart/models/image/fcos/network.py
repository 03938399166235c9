"""FCOS: every pixel of a feature pyramid says what it lies in and how far the four sides are; no
anchors.

Source: Tian, Shen, Chen, He, "FCOS: Fully Convolutional One-Stage Object Detection" (2019),
arXiv:1904.01355: the pyramid of section 3.2 on strides 8, 16 and 32, centre sampling of the
authors' later version, and instead of centre-ness a branch that foretells the overlap (Wu et al.,
"IoU-aware Single-stage Object Detector", 2019, arXiv:1912.05992). Convolutions are shared by the
levels, their normalisation is not. For transfer learning from any classification backbone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from warmstart.checkpoints.layout import load_by_name
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.pyramid import base_of, norm, pointwise, taps

STRIDES = (8, 16, 32)
REACH = (0.0, 64.0, 128.0, float("inf"))
"""A level answers for boxes whose farthest side is within its part of these distances, in pixels of
the input.
"""
# what a fresh network says of every class, so that the many empty pixels do not rule the first
# steps
PRIOR = 0.01


@dataclass(frozen=True)
class Grid:
    """The N pixels of all levels: centres (N, 2) as x, y, strides (N,), least and largest reach (N,
    2).
    """

    centres: np.ndarray
    strides: np.ndarray
    reach: np.ndarray


def grid(size: Sequence[int]) -> Grid:
    """For pictures of (height, width)."""
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


def build(
    config: Mapping[str, Any],
    *,
    include_top: bool = True,
    input_shape: tuple[int, int, int] | None = None,
    pooling: str | None = None,
    classes: int | None = None,
) -> keras.Model:
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
        overlap that is foretold.

    Raises:
        UsageError: the backbone has no maps of strides 8, 16 and 32.
    """
    size = (input_shape or config["input_size"])[:2]
    base = base_of(config, size)
    if not include_top:
        return keras.Model(base.input, pooled_top(base.output, pooling)) if pooling else base
    width, class_count = config.get("width", 64), classes or config["classes"]
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
            class_count,
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
        seen = {name: _tower(x, tower, stride) for name, tower in towers.items()}
        logits = last["logits"](seen["class"])
        scale = Scale(name=f"box_scale_{stride}")(last["distances"](seen["box"]))
        level = {
            "logits": logits,
            "distances": ops.exp(ops.clip(scale, -6, 6)) * stride,
            "quality": last["quality"](seen["box"]),
        }
        for name, value in level.items():
            outputs[name].append(
                ops.reshape(value, (-1, value.shape[1] * value.shape[2], value.shape[3]))
            )
    return keras.Model(
        base.input,
        {name: ops.concatenate(parts, axis=1) for name, parts in outputs.items()},
        name="fcos",
    )


class Scale(layers.Layer):
    """x times one number that is learned: one a level (section 3.2)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale


def _pyramid(maps: Mapping[int, Any], width: int) -> dict[int, Any]:
    """Each map with what the smaller ones saw added, all of one width."""
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
    """Convolutions that all levels share, with a normalisation of this level's own after each pair."""
    for name, pair in shared:
        for layer in pair:
            x = layer(x)
        x = layers.ReLU(name=f"{name}_relu_{stride}")(norm(x, f"{name}_bn_{stride}"))
    return x


def detections(model: keras.Model) -> dict[str, keras.KerasTensor]:
    """Scores (B, N, classes) 0 to 1, and boxes (B, N, 4) as xmin, ymin, xmax, ymax in shares of the
    input.
    """
    height, width = model.input.shape[1:3]
    centres = grid((height, width)).centres[None]
    logits, distances, quality = (model.output[name] for name in ("logits", "distances", "quality"))
    low, high = ops.subtract(centres, distances[..., :2]), ops.add(centres, distances[..., 2:])
    size = np.array([width, height] * 2, np.float32)
    scores = ops.sqrt(ops.sigmoid(logits) * ops.sigmoid(quality))
    return {"scores": scores, "boxes": ops.concatenate([low, high], axis=-1) / size}


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """What the pyramid takes from the backbone's last stage."""
    return model.get_layer("fpn_32").input


load = load_by_name
