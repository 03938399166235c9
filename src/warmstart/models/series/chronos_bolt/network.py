"""Chronos-Bolt: a T5 encoder-decoder over patches of a series that predicts quantiles of all future
steps at once.

Source: Ansari et al.: Chronos: Learning the Language of Time Series (2024), arXiv:2403.07815, and
the reference implementation, the package chronos-forecasting (`chronos.chronos_bolt`). The encoder
is that of T5 (Raffel et al. 2019, arXiv:1910.10683): root-mean-square norms before each part, no
biases, attention without scaling, relative positions in buckets. The decoder has one token, whose
output becomes 9 x 64 numbers.

| size | d_model | d_ff | heads | layers | parameters |
|---|--:|--:|--:|--:|--:|
| tiny | 256 | 1,024 | 4 | 4 + 4 | 8.7 M |
| mini | 384 | 1,536 | 8 | 4 + 4 | 21.2 M |
| small | 512 | 2,048 | 8 | 6 + 6 | 47.7 M |
| base | 768 | 3,072 | 12 | 12 + 12 | 205 M |

What comes before (scaling, patches) and after (scaling back, horizons beyond 64) is in
`warmstart.series.patching`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill
from warmstart.models.series.chronos_bolt import family
from warmstart.models.series.chronos_bolt.family import ChronosBoltConfig


def build(config: ChronosBoltConfig | Mapping[str, Any]) -> keras.Model:
    """Build the network.

    Returns:
        A `keras.Model` from `patches` float32 (B, P, 2 * patch), scaled values and then 1 where
        they were observed, and `mask` float32 (B, P), 1 where a patch has an observed value, to
        `quantiles` float32 (B, Q, horizon), scaled, and `states` (B, P (+ 1), d_model), of the
        encoder.
    """
    config = ChronosBoltConfig.of(config)
    patches = keras.Input((None, 2 * config.patch), name="patches")
    mask = keras.Input((None,), name="mask")
    shared = layers.Embedding(2 if config.reg_token else 1, config.d_model, name="shared")
    x = _residual(patches, config.d_ff, config.d_model, config.activation, "input_patch_embedding")
    seen = mask
    if config.reg_token:
        x = ops.concatenate([x, shared(ops.ones_like(mask[:, :1], dtype="int32"))], 1)
        seen = ops.concatenate([mask, ops.ones_like(mask[:, :1])], 1)
    # Adding axes by slicing becomes an operation that TensorFlow Lite does not have.
    hidden = layers.Reshape((1, 1, -1))(ops.where(seen > 0, 0.0, -1e9))  # (B, 1, 1, P)
    bias = RelativeBias(config, True, name="encoder_bias")(x)
    for n in range(config.num_layers):
        x = x + _attention(
            _norm(x, config, f"encoder_{n}_0_norm"), hidden + bias, config, f"encoder_{n}_self"
        )
        x = x + _feed_forward(_norm(x, config, f"encoder_{n}_1_norm"), config, f"encoder_{n}_ff")
    states = _norm(x, config, "encoder_norm")
    y = shared(
        ops.zeros_like(mask[:, :1], dtype="int32")
    )  # the token that starts decoding is number 0
    bias = RelativeBias(config, False, name="decoder_bias")(y)
    for n in range(config.num_decoder_layers):
        y = y + _attention(
            _norm(y, config, f"decoder_{n}_0_norm"), bias, config, f"decoder_{n}_self"
        )
        y = y + CrossAttention(config, name=f"decoder_{n}_cross")(
            [_norm(y, config, f"decoder_{n}_1_norm"), states, hidden]
        )
        y = y + _feed_forward(_norm(y, config, f"decoder_{n}_2_norm"), config, f"decoder_{n}_ff")
    y = _residual(
        _norm(y, config, "decoder_norm"),
        config.d_ff,
        config.quantiles * config.horizon,
        config.activation,
        "output_patch_embedding",
    )
    quantiles = ops.reshape(y, (-1, config.quantiles, config.horizon))
    return keras.Model(
        {"patches": patches, "mask": mask},
        {"quantiles": quantiles, "states": states},
        name="chronos_bolt",
    )


class RMSNorm(layers.Layer):
    """x / sqrt(mean(x^2) + epsilon) * weight."""

    def __init__(self, epsilon: float, **options: Any):
        super().__init__(**options)
        self.epsilon = epsilon

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

    def call(self, x: Any) -> Any:
        return x * ops.rsqrt(ops.mean(ops.square(x), -1, keepdims=True) + self.epsilon) * self.scale


class RelativeBias(layers.Layer):
    """The bias of attention for the distance of two tokens: (B, P, D) -> (1, heads, P, P)."""

    def __init__(self, config: ChronosBoltConfig, both_ways: bool, **options: Any):
        super().__init__(**options)
        self.config, self.both_ways = config, both_ways

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(
            shape=(self.config.buckets, self.config.num_heads), initializer="zeros", name="table"
        )

    def call(self, x: Any) -> Any:
        if self.both_ways:
            most = self.config.most_patches + 1
            positions = np.arange(most)
            numbers = _buckets(positions[None] - positions[:, None], self.config)
        else:
            numbers = np.zeros((1, 1), np.int32)
        count = ops.shape(x)[1]
        bias = ops.transpose(ops.take(self.table, numbers, axis=0), (2, 0, 1))
        return ops.expand_dims(bias[:, :count, :count], 0)

    def compute_output_spec(self, x: Any) -> Any:
        return keras.KerasTensor((1, self.config.num_heads, x.shape[1], x.shape[1]), x.dtype)


def _buckets(distance: np.ndarray, config: ChronosBoltConfig) -> np.ndarray:
    """T5's buckets for both directions: exact for near tokens, logarithmic for far ones."""
    half = config.buckets // 2
    exact = half // 2
    far = np.abs(distance)
    with np.errstate(divide="ignore"):
        scaled = np.log(far / exact) / math.log(config.distance / exact) * (half - exact)
    large = np.minimum(exact + np.where(far > 0, scaled, 0).astype(np.int64), half - 1)
    return ((distance > 0) * half + np.where(far < exact, far, large)).astype(np.int32)


def _norm(x: Any, config: ChronosBoltConfig, name: str) -> Any:
    return RMSNorm(config.epsilon, name=name)(x)


def _residual(x: Any, inner: int, out: int, activation: str, name: str) -> Any:
    hidden = layers.Dense(inner, activation, name=f"{name}_hidden_layer")(x)
    return layers.Dense(out, name=f"{name}_output_layer")(hidden) + layers.Dense(
        out, name=f"{name}_residual_layer"
    )(x)


def _feed_forward(x: Any, config: ChronosBoltConfig, name: str) -> Any:
    hidden = layers.Dense(config.d_ff, config.activation, use_bias=False, name=f"{name}_wi")(x)
    return layers.Dense(config.d_model, use_bias=False, name=f"{name}_wo")(hidden)


class CrossAttention(layers.Layer):
    """One token (B, 1, D) attends to the encoder's states (B, P, D), under a mask to add (B, 1, 1,
    P).

    With a single query it is cheaper to bring the query to the states than all states to keys and
    values: q (W x) is (W' q) x, and a weighted mean of W x is W of the weighted mean of x.
    """

    def __init__(self, config: ChronosBoltConfig, **options: Any):
        super().__init__(**options)
        self.config = config

    def build(self, input_shape: Any) -> None:
        model, width = self.config.d_model, self.config.num_heads * self.config.d_kv
        self.q, self.k, self.v = (
            self.add_weight(shape=(model, width), name=letter) for letter in "qkv"
        )
        self.o = self.add_weight(shape=(width, model), name="o")

    def call(self, inputs: Any) -> Any:
        token, states, mask = inputs
        model, heads, size = self.config.d_model, self.config.num_heads, self.config.d_kv
        keys = ops.transpose(
            ops.reshape(self.k, (model, heads, size)), (1, 2, 0)
        )  # (heads, d_kv, D)
        values = ops.transpose(
            ops.reshape(self.v, (model, heads, size)), (1, 0, 2)
        )  # (heads, D, d_kv)
        query = ops.reshape(ops.matmul(token[:, 0], self.q), (-1, heads, size))
        query = ops.transpose(
            ops.matmul(ops.transpose(query, (1, 0, 2)), keys), (1, 0, 2)
        )  # (B, heads, D)
        weights = ops.softmax(
            ops.matmul(query, ops.transpose(states, (0, 2, 1))) + mask[:, :, 0], -1
        )
        mean = ops.transpose(ops.matmul(weights, states), (1, 0, 2))  # (heads, B, D)
        mixed = ops.reshape(ops.transpose(ops.matmul(mean, values), (1, 0, 2)), (-1, heads * size))
        return ops.expand_dims(ops.matmul(mixed, self.o), 1)

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        return input_shape[0]


def _attention(x: Any, bias: Any, config: ChronosBoltConfig, name: str) -> Any:
    """(B, T, D) attends to itself; `bias` is added to the scores (B, heads, T, T)."""
    width = config.num_heads * config.d_kv

    def heads(value: Any, part: str) -> Any:
        value = layers.Dense(width, use_bias=False, name=f"{name}_{part}")(value)
        value = layers.Reshape((-1, config.num_heads, config.d_kv))(value)
        return ops.transpose(value, (0, 2, 1, 3))  # (B, heads, T, d_kv)

    scores = ops.matmul(heads(x, "q"), ops.transpose(heads(x, "k"), (0, 1, 3, 2))) + bias
    mixed = ops.transpose(ops.matmul(ops.softmax(scores, -1), heads(x, "v")), (0, 2, 1, 3))
    mixed = layers.Reshape((-1, width))(mixed)
    return layers.Dense(config.d_model, use_bias=False, name=f"{name}_o")(mixed)


def load(
    model: keras.Model, checkpoint: Checkpoint, config: ChronosBoltConfig | Mapping[str, Any]
) -> None:
    """Fill the model from a file in the public layout: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    fill(model, checkpoint, family.LAYOUT)


arrays = arrays_of(family.LAYOUT)
"""The weights in the public layout."""
