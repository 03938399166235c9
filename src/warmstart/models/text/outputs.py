"""From a text architecture to the outputs that programs give."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from warmstart.models.text.encoder import TextModel

LAST = "last_hidden_state"


@keras.saving.register_keras_serializable("warmstart")
class MeanOfTokens(keras.layers.Layer):
    """The average of the tokens that are not padding: (B, T, D) and the mask int32 (B, T) -> (B,
    D).

    Source: Reimers, Gurevych, "Sentence-BERT" (2019), section 3.
    """

    def call(self, states: Any, mask: Any) -> Any:
        weights = ops.expand_dims(ops.cast(mask, states.dtype), -1)  # (B, T, 1)
        return ops.sum(states * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1e-9)

    def compute_output_spec(self, states: Any, mask: Any) -> keras.KerasTensor:
        return keras.KerasTensor((states.shape[0], states.shape[2]), states.dtype)


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
        pooling: `"mean"` (default) or `"cls"`, the first token.
        normalize: whether features get length 1.
    """
    states = model.get_layer(LAST).output
    if pooling == "cls":
        features = states[:, 0]
    else:
        features = MeanOfTokens(name="features_mean")(
            states, model.get_layer("mask_or_ones").output
        )
    if normalize:
        features = UnitLength(name="features_unit")(features)
    heads: dict[str, Any] = {} if LAST in model.output else dict(model.output)
    return TextModel(model.input, {**heads, "features": features}, name=model.name)
