"""The decoder of D-FINE: attention that samples the maps around each box, and boxes refined as
distributions.

Source: Peng et al. (2024), arXiv:2410.13842, section 4.1 (fine-grained distribution refinement);
deformable attention is that of Zhu et al., "Deformable DETR" (2020), arXiv:2010.04159. Sampling is
written with gathers, which every engine has; grid sampling they have not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import layers, ops

DECODER = "model.decoder"


@dataclass(frozen=True)
class Memory:
    """The feature maps, one after the other: `values` (B, all pixels, C), `shapes` (height, width)
    of each.
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
    """Weighted sums of bilinear samples of the maps; outside of a map there is zero.

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

        def each(values: Sequence[float]) -> np.ndarray:  # one number a sample
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


class Refinement(layers.Layer):
    """From distributions over the offsets of a box's four sides to the box; holds the two numbers
    that shape them.
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
        bound = ops.abs(self.up) * scale
        power = np.arange(1, self.bins // 2, dtype=np.float32)
        steps = (bound + 1) ** (2 / (self.bins - 2))
        right = steps**power - 1  # the weighting function: fine steps near 0, coarse ones far out
        table = ops.concatenate(
            [-2 * bound, -ops.flip(right), ops.zeros_like(bound), right, 2 * bound]
        )
        share = ops.softmax(ops.reshape(logits, (-1, queries, 4, self.bins + 1)))
        move = ops.sum(share * table, axis=-1)
        centre, size = box[..., :2], box[..., 2:]
        low = centre - (0.5 * scale + move[..., :2]) * (size / scale)
        high = centre + (0.5 * scale + move[..., 2:]) * (size / scale)
        return ops.concatenate([(low + high) / 2, high - low], axis=-1)


def mlp(x: Any, widths: Sequence[int], name: str, activation: str = "relu") -> Any:
    """Dense layers with an activation between."""
    for index, width in enumerate(widths):
        x = layers.Dense(width, name=f"{name}.layers.{index}")(x)
        x = layers.Activation(activation)(x) if index < len(widths) - 1 else x
    return x


def norm(x: Any, c: Mapping[str, Any], name: str) -> Any:
    return layers.LayerNormalization(epsilon=c["layer_norm_eps"], name=name)(x)


def self_attention(x: Any, position: Any, heads: int, name: str) -> Any:
    """x: (B, N, C); `position` is added to what queries and keys are made of."""
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
    offsets = layers.Dense(heads * total * 2, name=f"{name}.sampling_offsets")(x)
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


def decode(x: Any, reference_logits: Any, memory: Memory, c: Mapping[str, Any]) -> tuple[Any, Any]:
    """Queries (B, Q, C) and their first boxes as logits -> (class logits (B, Q, classes), boxes (B,
    Q, 4)).
    """
    width, corners, before = c["d_model"], 0, 0
    refine = Refinement(c["max_num_bins"], c["up"], c["reg_scale"], name=DECODER)
    references = ops.sigmoid(reference_logits)
    # The dense layers of this head are the same for every decoder layer: made once, called again.
    head = [
        layers.Dense(2 * width, activation="relu", name=f"{DECODER}.query_pos_head.layers.0"),
        layers.Dense(width, name=f"{DECODER}.query_pos_head.layers.1"),
    ]
    initial = None
    for index in range(c["decoder_layers"]):
        position = ops.clip(head[1](head[0](references)), -10, 10)
        x = _layer(x, position, references, memory, c, f"{DECODER}.layers.{index}")
        if initial is None:
            first = mlp(x, (width, width, 4), f"{DECODER}.pre_bbox_head")
            initial = ops.sigmoid(first + _inverse_sigmoid(references))
        sides = (width, width, 4 * (c["max_num_bins"] + 1))
        corners = corners + mlp(x + before, sides, f"{DECODER}.bbox_embed.{index}")
        references = refine([corners, initial])
        before = x
    last = c["decoder_layers"] - 1
    logits = layers.Dense(c["classes"], name=f"{DECODER}.class_embed.{last}")(x)
    share = ops.softmax(ops.reshape(corners, (-1, x.shape[1], 4, c["max_num_bins"] + 1)))
    best = ops.top_k(share, c["top_prob_values"])[0]
    quality = ops.concatenate([best, ops.mean(best, axis=-1, keepdims=True)], axis=-1)
    quality = ops.reshape(quality, (-1, x.shape[1], 4 * (c["top_prob_values"] + 1)))
    widths = [c["lqe_hidden_dim"]] * (c["lqe_layers"] - 1) + [1]
    return logits + mlp(quality, widths, f"{DECODER}.lqe_layers.{last}.reg_conf"), references
