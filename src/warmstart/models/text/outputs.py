"""The outputs of the programs of text architectures."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from warmstart.models.text.encoder import MeanOfTokens, TextModel

LAST = "last_hidden_state"
LOWEST = -1e9  # for padding, below every hidden state


@keras.saving.register_keras_serializable("warmstart")
class PooledTokens(keras.layers.Layer):
    """The tokens that are not padding as one vector: (B, T, D) and the mask int32 (B, T) -> (B, D).

    Args:
        mode: `"max"`; `"mean_sqrt_len_tokens"`, the sum divided by the root of the number of
            tokens; `"weightedmean"`, weighted by position, counted from 1; `"lasttoken"`.

    Source: Muennighoff, "SGPT: GPT Sentence Embeddings for Semantic Search" (2022), section 3, for
    the weights.
    """

    def __init__(self, mode: str, **options: Any):
        super().__init__(**options)
        self.mode = mode

    def call(self, states: Any, mask: Any) -> Any:
        tokens = ops.cast(mask, states.dtype)  # (B, T)
        if self.mode == "max":
            hidden = ops.expand_dims((1.0 - tokens) * LOWEST, -1)
            return ops.max(states + hidden, axis=1)
        if self.mode == "weightedmean":
            weights = ops.cumsum(tokens, axis=1) * tokens
            return _weighted(states, weights) / ops.sum(weights, axis=1, keepdims=True)
        if self.mode == "lasttoken":
            after = ops.pad(tokens[:, 1:], ((0, 0), (0, 1)))
            return _weighted(states, tokens - after)
        return _weighted(states, tokens) / ops.sqrt(ops.sum(tokens, axis=1, keepdims=True))

    def compute_output_spec(self, states: Any, mask: Any) -> keras.KerasTensor:
        return keras.KerasTensor((states.shape[0], states.shape[2]), states.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


def _weighted(states: Any, weights: Any) -> Any:
    return ops.sum(states * ops.expand_dims(weights, -1), axis=1)


@keras.saving.register_keras_serializable("warmstart")
class UnitLength(keras.layers.Layer):
    """x divided by its length: (B, D) -> (B, D)."""

    def call(self, x: Any) -> Any:
        return x / ops.maximum(ops.sqrt(ops.sum(x * x, axis=-1, keepdims=True)), 1e-12)


def with_features(
    model: keras.Model, pooling: str | None = None, normalize: bool = False
) -> keras.Model:
    """The model with `features` (B, D) among its outputs, and without a head no others.

    Args:
        model: its inputs are `encoder.text_inputs()`.
        pooling: a mode of `sentence_modules.MODES`, or several with "+" between them, whose vectors
            are concatenated; default: `"mean"`.
        normalize: whether features get length 1.
    """
    parts = [_pooled(model, mode) for mode in (pooling or "mean").split("+")]
    features = parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)
    if normalize:
        features = UnitLength(name="features_unit")(features)
    heads: dict[str, Any] = {} if LAST in model.output else dict(model.output)
    return TextModel(model.input, {**heads, "features": features}, name=model.name)


def _pooled(model: keras.Model, mode: str) -> Any:
    states = model.get_layer(LAST).output
    if mode == "cls":
        return states[:, 0]
    layer = (
        MeanOfTokens(name="features_mean")
        if mode == "mean"
        else PooledTokens(mode, name=f"features_{mode}")
    )
    return layer(states, model.get_layer("mask_or_ones").output)
