"""The decoder of D-FINE: attention that samples the maps around each box, and boxes refined as
distributions.

Source: Peng et al. (2024), arXiv:2410.13842, section 4.1 (fine-grained distribution refinement);
deformable attention is that of Zhu et al., "Deformable DETR" (2020), arXiv:2010.04159. Sampling is
written with gathers, which every engine has, unlike grid sampling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import keras
import numpy as np
from keras import layers, ops

DECODER = "model.decoder"
PRIOR = 0.01
"""The score of every class at the start of training."""


@dataclass(frozen=True)
class Memory:
    """The feature maps, concatenated: `values` (B, all pixels, C), `shapes` (height, width) of
    each.
    """

    values: Any
    shapes: Sequence[tuple[int, int]]


def first_rows(x: Any, rows: int) -> Any:
    """For every element of the batch, the index of its first row once x (B, ...) is (B * rows,
    ...): (B,) int32.

    A running sum over the batch: unlike a range it has a shape that is known before the program
    runs.
    """
    column = ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))[:, 0]
    return (ops.cumsum(ops.ones_like(column, dtype="int32"), axis=0) - 1) * rows


class GatherRows(layers.Layer):
    """Rows of x (B, N, C) at indices (B, M): (B, M, C)."""

    def call(self, inputs: Any) -> Any:
        x, indices = inputs
        _, rows, channels = x.shape
        start = first_rows(indices, rows)[:, None]
        return ops.take(ops.reshape(x, (-1, channels)), indices + start, axis=0)


class DeformableSampling(layers.Layer):
    """Weighted sums of bilinear samples of the maps; outside a map there is zero.

    Args:
        shapes: (height, width) of each map.
        points: samples of each map.
        heads: groups of channels, each with its own samples.
    """

    def __init__(
        self, shapes: Sequence[tuple[int, int]], points: Sequence[int], heads: int, **options: Any
    ):
        super().__init__(**options)
        starts = np.cumsum([0, *(h * w for h, w in shapes)])
        self.heads, self.rows = heads, int(starts[-1])

        def each(values: Sequence[float]) -> np.ndarray:  # one number per sample
            return np.repeat(np.asarray(values, np.float32), points)

        self.sizes = np.stack(
            [each([w for _, w in shapes]), each([h for h, _ in shapes])], -1
        )  # (P, 2): x, y
        self.starts = each(starts[:-1].tolist())

    def call(self, inputs: Any) -> Any:
        """memory (B, S, C), locations (B, Q, heads, P, 2) in shares, weights (B, Q, heads, P) ->
        (B, Q, C).
        """
        memory, locations, weights = inputs
        _, queries, heads, points, _ = locations.shape
        channels = memory.shape[-1]
        pixel = locations * self.sizes - 0.5
        low = ops.floor(pixel)
        part = pixel - low
        # The four neighbours in one array: (B, Q, heads, P, 4)
        x = ops.stack([low[..., 0], low[..., 0] + 1], -1)
        y = ops.stack([low[..., 1], low[..., 1] + 1], -1)
        width, height = self.sizes[:, :1], self.sizes[:, 1:]
        share_x = ops.stack([1 - part[..., 0], part[..., 0]], -1)
        share_y = ops.stack([1 - part[..., 1], part[..., 1]], -1)
        share_x = share_x * ops.cast(ops.logical_and(x >= 0, x < width), "float32")
        share_y = share_y * ops.cast(ops.logical_and(y >= 0, y < height), "float32")
        x, y = ops.clip(x, 0, width - 1), ops.clip(y, 0, height - 1)
        index = (y * width + self.starts[:, None])[..., :, None] + x[
            ..., None, :
        ]  # below 2**24: exact in float32
        share = share_y[..., :, None] * share_x[..., None, :] * weights[..., None, None]
        group = np.arange(heads, dtype=np.int32)[:, None]
        index = (
            ops.reshape(ops.cast(index, "int32"), (-1, queries, heads, points * 4)) * heads + group
        )
        index = index + first_rows(memory, self.rows * heads)[:, None, None, None]
        samples = ops.take(
            ops.reshape(memory, (-1, channels // heads)), index, axis=0
        )  # (B, Q, heads, 4P, C/heads)
        share = ops.reshape(share, (-1, queries, heads, 1, points * 4))
        return ops.reshape(ops.matmul(share, samples), (-1, queries, channels))


def offset_table(bins: int, up: Any, scale: Any) -> Any:
    """The weighting function: the offset of each bin, (bins + 1,), with small steps near 0
    and large ones far from it. `up` and `scale` are (1,).
    """
    bound = ops.abs(up) * ops.abs(scale)
    power = np.arange(1, bins // 2, dtype=np.float32)
    steps = (bound + 1) ** (2 / (bins - 2))
    right = steps**power - 1
    return ops.concatenate([-2 * bound, -ops.flip(right), ops.zeros_like(bound), right, 2 * bound])


class Refinement(layers.Layer):
    """From distributions over the offsets of a box's four sides to the box; contains the two
    numbers that shape them.
    """

    def __init__(self, bins: int, up: float, scale: float, **options: Any):
        super().__init__(**options)
        self.bins, self._up, self._scale = bins, up, scale

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.up = self.add_weight(
            shape=(1,),
            initializer=lambda s, dtype=None: ops.full(s, self._up, dtype),
            trainable=False,
            name="up",
        )
        self.reg_scale = self.add_weight(
            shape=(1,),
            initializer=lambda s, dtype=None: ops.full(s, self._scale, dtype),
            trainable=False,
            name="reg_scale",
        )

    def call(self, inputs: Any) -> Any:
        """logits (B, Q, 4 * (bins + 1)), box (B, Q, 4) -> box (B, Q, 4), centre and size."""
        logits, box = inputs
        queries, scale = logits.shape[1], ops.abs(self.reg_scale)
        table = offset_table(self.bins, self.up, self.reg_scale)
        share = ops.softmax(ops.reshape(logits, (-1, queries, 4, self.bins + 1)))
        move = ops.sum(share * table, axis=-1)
        centre, size = box[..., :2], box[..., 2:]
        low = centre - (0.5 * scale + move[..., :2]) * (size / scale)
        high = centre + (0.5 * scale + move[..., 2:]) * (size / scale)
        return ops.concatenate([(low + high) / 2, high - low], axis=-1)


def mlp(
    x: Any,
    widths: Sequence[int],
    name: str,
    activation: str = "relu",
    *,
    last: str = "glorot_uniform",
) -> Any:
    """Dense layers with an activation between them; `last` is the initializer of the last kernel."""
    for index, width in enumerate(widths):
        end = index == len(widths) - 1
        start = last if end else "glorot_uniform"
        x = layers.Dense(width, kernel_initializer=start, name=f"{name}.layers.{index}")(x)
        x = x if end else layers.Activation(activation)(x)
    return x


def class_head(classes: int, name: str) -> layers.Dense:
    """A linear layer whose scores are low at the start of training, so that the many queries
    without an object do not dominate the first steps (Lin et al. 2017, arXiv:1708.02002, section
    4.1).
    """
    bias = keras.initializers.Constant(-log(1 / PRIOR - 1))
    return layers.Dense(classes, bias_initializer=bias, name=name)


def _initial_offsets(heads: int, points: Sequence[int]) -> np.ndarray:
    """The offsets of the samples at the start of training: each head looks in its own direction,
    and each point of a map one step further (Zhu et al. 2020, appendix A.4); (heads * points * 2,).
    """
    angles = np.arange(heads) * (2 * np.pi / heads)
    direction = np.stack([np.cos(angles), np.sin(angles)], -1)
    direction /= np.abs(direction).max(-1, keepdims=True)
    steps = np.concatenate([np.arange(1, count + 1) for count in points])
    offsets: np.ndarray = (direction[:, None] * steps[:, None]).ravel().astype(np.float32)
    return offsets


def norm(x: Any, c: Mapping[str, Any], name: str) -> Any:
    return layers.LayerNormalization(epsilon=c["layer_norm_eps"], name=name)(x)


def self_attention(x: Any, position: Any, heads: int, name: str) -> Any:
    """x: (B, N, C); `position` is added to the inputs of queries and keys."""
    _, count, channels = x.shape
    size = channels // heads
    placed = x if position is None else x + position

    def split(t: Any, part: str) -> Any:
        t = layers.Dense(channels, name=f"{name}.{part}_proj")(t)
        return ops.transpose(ops.reshape(t, (-1, count, heads, size)), (0, 2, 1, 3))

    weights = ops.softmax(
        ops.matmul(split(placed, "q") * size**-0.5, ops.transpose(split(placed, "k"), (0, 1, 3, 2)))
    )
    mixed = ops.transpose(ops.matmul(weights, split(x, "v")), (0, 2, 1, 3))
    return layers.Dense(channels, name=f"{name}.out_proj")(
        ops.reshape(mixed, (-1, count, channels))
    )


def _cross_attention(
    x: Any, references: Any, memory: Memory, c: Mapping[str, Any], name: str
) -> Any:
    """Each query looks at a few points around its box; references: (B, Q, 4) centre and size in
    shares.
    """
    heads, points, queries = c["decoder_attention_heads"], c["decoder_n_points"], x.shape[1]
    total = sum(points)
    initial_offsets = _initial_offsets(heads, points)
    offsets = layers.Dense(
        heads * total * 2,
        kernel_initializer="zeros",
        bias_initializer=lambda shape, dtype=None: ops.convert_to_tensor(initial_offsets, dtype),
        name=f"{name}.sampling_offsets",
    )(x)
    offsets = ops.reshape(offsets, (-1, queries, heads, total, 2))
    weights = layers.Dense(heads * total, name=f"{name}.attention_weights")(x)
    weights = ops.softmax(ops.reshape(weights, (-1, queries, heads, total)))
    scale = (
        np.repeat([1 / n for n in points], points).astype(np.float32)[:, None]
        * c["decoder_offset_scale"]
    )
    box = ops.reshape(references, (-1, queries, 1, 1, 4))
    locations = box[..., :2] + offsets * scale * box[..., 2:]
    return DeformableSampling(memory.shapes, points, heads)([memory.values, locations, weights])


def _layer(
    x: Any, position: Any, references: Any, memory: Memory, c: Mapping[str, Any], name: str
) -> Any:
    y = self_attention(x, position, c["decoder_attention_heads"], f"{name}.self_attn")
    x = norm(layers.Add()([x, y]), c, f"{name}.self_attn_layer_norm")
    y = _cross_attention(x + position, references, memory, c, f"{name}.encoder_attn")
    gates = ops.sigmoid(
        layers.Dense(2 * c["d_model"], name=f"{name}.gateway.gate")(ops.concatenate([x, y], -1))
    )
    x = gates[..., : c["d_model"]] * x + gates[..., c["d_model"] :] * y
    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}.gateway.norm")(x)
    y = layers.Dense(c["decoder_ffn_dim"], name=f"{name}.fc1")(x)
    y = layers.Activation(c["decoder_activation_function"])(y)
    y = layers.Dense(c["d_model"], name=f"{name}.fc2")(y)
    return norm(ops.clip(layers.Add()([x, y]), -65504, 65504), c, f"{name}.final_layer_norm")


def _inverse_sigmoid(x: Any) -> Any:
    x = ops.clip(x, 0, 1)
    return ops.log(ops.maximum(x, 1e-5) / ops.maximum(1 - x, 1e-5))


@dataclass(frozen=True)
class Stage:
    """The predictions of one part of the decoder for its queries.

    Attributes:
        logits: of the classes, (B, Q, classes).
        boxes: centre and size as shares of the picture, (B, Q, 4).
        corners: logits of the distributions over the offsets of the four sides, (B, Q, 4 * (bins +
            1)); None if the boxes are not refined as distributions.
        initial: the boxes that the offsets move, (B, Q, 4).
    """

    logits: Any
    boxes: Any
    corners: Any = None
    initial: Any = None


def decode(
    x: Any, reference_logits: Any, memory: Memory, c: Mapping[str, Any], *, training: bool = False
) -> list[Stage]:
    """The stages of the decoder; the last one is its prediction.

    Args:
        x: queries, (B, Q, C).
        reference_logits: their first boxes as logits, (B, Q, 4).
        memory: the feature maps.
        c: the config.
        training: whether the first boxes and every layer are stages too, and gradients stop where
            they do in the reference, so that each layer learns from its own errors.
    """
    width, corners, previous = c["d_model"], 0, 0
    detached = ops.stop_gradient if training else lambda value: value
    refine = Refinement(c["max_num_bins"], c["up"], c["reg_scale"], name=DECODER)
    references = ops.sigmoid(reference_logits)
    # The dense layers of this head are the same for every decoder layer: made once, called again.
    head = [
        layers.Dense(2 * width, activation="relu", name=f"{DECODER}.query_pos_head.layers.0"),
        layers.Dense(width, name=f"{DECODER}.query_pos_head.layers.1"),
    ]
    initial, stages = None, []
    for index in range(c["decoder_layers"]):
        position = ops.clip(head[1](head[0](references)), -10, 10)
        x = _layer(x, position, references, memory, c, f"{DECODER}.layers.{index}")
        is_stage = training or index == c["decoder_layers"] - 1
        logits = class_head(c["classes"], f"{DECODER}.class_embed.{index}")(x) if is_stage else None
        if initial is None:
            first = mlp(x, (width, width, 4), f"{DECODER}.pre_bbox_head", last="zeros")
            first = ops.sigmoid(first + _inverse_sigmoid(references))
            initial = detached(first)
            stages += [Stage(logits, first)] if training else []
        sides = (width, width, 4 * (c["max_num_bins"] + 1))
        moves = mlp(x + previous, sides, f"{DECODER}.bbox_embed.{index}", last="zeros")
        corners = corners + moves
        boxes = refine([corners, initial])
        if is_stage:
            logits = logits + _quality(corners, c, f"{DECODER}.lqe_layers.{index}")
            stages.append(Stage(logits, boxes, corners, initial))
        references, previous = detached(boxes), detached(x)
    return stages


def _quality(corners: Any, c: Mapping[str, Any], name: str) -> Any:
    """The correction of the class logits by the sharpness of the distributions, (B, Q, 1)."""
    queries, most = corners.shape[1], c["top_prob_values"]
    share = ops.softmax(ops.reshape(corners, (-1, queries, 4, c["max_num_bins"] + 1)))
    best = ops.top_k(share, most)[0]
    quality = ops.concatenate([best, ops.mean(best, axis=-1, keepdims=True)], axis=-1)
    quality = ops.reshape(quality, (-1, queries, 4 * (most + 1)))
    widths = [c["lqe_hidden_dim"]] * (c["lqe_layers"] - 1) + [1]
    return mlp(quality, widths, f"{name}.reg_conf", last="zeros")
