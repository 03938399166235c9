"""The Transformer encoder that BERT's family shares: embeddings, attention, feed-forward,
post-normalisation.

Source: Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers"
(2018), section 3; the numbers are those of Hugging Face transformers' PyTorch models. Families
differ in names, positions and heads; see `encoder_model`. Layers
have the names of the reference's modules, those of a head with `head.` in front, so that
checkpoints are read and written by name (see `checkpoints.layout`).

Attention runs head by head on slices, which keeps every shape of a compiled program free of
computed sizes: an engine that meets a size it must first compute runs all that follows on its slow
path. In training it runs over all heads at once, as the gradient of a slice is an array of the
whole's size: with 12 heads, twice as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

from warmstart.models.text.encoder_config import MEAN_OF_FOUR, EncoderConfig

MASKED = -1e9  # added to the scores of padding; the minimum of float32 would overflow in sums


def gelu(x: Any) -> Any:
    """x * Phi(x) with the error function, as BERT has it (Hendrycks, Gimpel 2016, section 2)."""
    return (0.5 * x) * (1.0 + ops.erf(x * (1 / math.sqrt(2))))


def gelu_tanh(x: Any) -> Any:
    """The tanh approximation of the same paper, which GPT-2 has; up to 5e-4 away from the former."""
    return (0.5 * x) * (1.0 + ops.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))))


ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": gelu, "gelu_python": gelu, "gelu_new": gelu_tanh, "gelu_pytorch_tanh": gelu_tanh, "gelu_fast": gelu_tanh,
    "relu": ops.relu, "silu": ops.silu, "swish": ops.silu, "tanh": ops.tanh,
}  # fmt: skip


@dataclass(frozen=True)
class Names:
    """The names of a family's modules; `{}` stands for the index of the layer."""

    word: str = "embeddings.word_embeddings"
    position: str = "embeddings.position_embeddings"
    types: str = "embeddings.token_type_embeddings"
    embeddings_norm: str = "embeddings.LayerNorm"
    query: str = "encoder.layer.{}.attention.self.query"
    key: str = "encoder.layer.{}.attention.self.key"
    value: str = "encoder.layer.{}.attention.self.value"
    attention_out: str = "encoder.layer.{}.attention.output.dense"
    attention_norm: str = "encoder.layer.{}.attention.output.LayerNorm"
    feed_in: str = "encoder.layer.{}.intermediate.dense"
    feed_out: str = "encoder.layer.{}.output.dense"
    feed_norm: str = "encoder.layer.{}.output.LayerNorm"


@keras.saving.register_keras_serializable("warmstart")
class Fill(layers.Layer):
    """An optional input like `input_ids` (B, T), or a constant of that shape if it is missing."""

    def __init__(self, value: int, **options: Any):
        super().__init__(**{"dtype": "int32", **options})
        self.value = value

    def call(self, like: Any, optional: Any = None) -> Any:
        return optional if optional is not None else ops.full_like(like, self.value)

    def compute_output_spec(self, like: Any, optional: Any = None) -> keras.KerasTensor:
        return keras.KerasTensor(like.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "value": self.value}


@keras.saving.register_keras_serializable("warmstart")
class Positions(layers.Layer):
    """Positions of tokens: int32 (B, T) -> (B, T), from 0; or, if `padding` is an id, from
    `padding` + 1 over the tokens that are not it, with the padding itself at `padding` (RoBERTa).

    They are counted along the row and not made from its length, which a compiled program would have
    to compute.
    """

    def __init__(self, padding: int | None = None, **options: Any):
        super().__init__(**{"dtype": "int32", **options})
        self.padding = padding

    def call(self, ids: Any) -> Any:
        if self.padding is None:
            return ops.cumsum(ops.cast(ids >= 0, "int32"), axis=1) - 1
        is_token = ops.cast(ops.not_equal(ids, self.padding), "int32")
        return ops.cumsum(is_token, axis=1) * is_token + self.padding

    def compute_output_spec(self, ids: Any) -> keras.KerasTensor:
        return keras.KerasTensor(ids.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable("warmstart")
class Attention(layers.Layer):
    """Scaled dot-product attention: three (B, T, D) and the mask int32 (B, T) -> (B, T, D)."""

    def __init__(self, heads: int, dropout: float, **options: Any):
        super().__init__(**options)
        self.heads, self.rate = heads, dropout
        self.dropout = layers.Dropout(dropout)

    def call(
        self, query: Any, key: Any, value: Any, mask: Any, training: bool | None = None
    ) -> Any:
        size = query.shape[-1] // self.heads
        bias = ops.expand_dims((1.0 - ops.cast(mask, query.dtype)) * MASKED, 1)  # (B, 1, T)
        query = query * (1 / math.sqrt(size))
        if training:
            return self._together(query, key, value, bias)
        outputs = []
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            scores = (
                ops.matmul(query[:, :, part], ops.transpose(key[:, :, part], (0, 2, 1))) + bias
            )  # (B, T, T)
            shares = self.dropout(ops.softmax(scores, axis=-1), training=training)
            outputs.append(ops.matmul(shares, value[:, :, part]))
        return ops.concatenate(outputs, axis=-1)

    def _together(self, query: Any, key: Any, value: Any, bias: Any) -> Any:
        width = query.shape[-1]
        batch, length = ops.shape(query)[0], ops.shape(query)[1]
        parts = (batch, length, self.heads, width // self.heads)
        q = ops.transpose(ops.reshape(query, parts), (0, 2, 1, 3))
        k = ops.transpose(ops.reshape(key, parts), (0, 2, 3, 1))
        v = ops.transpose(ops.reshape(value, parts), (0, 2, 1, 3))
        scores = ops.matmul(q, k) + ops.expand_dims(bias, 1)  # (B, H, T, T)
        mixed = ops.matmul(self.dropout(ops.softmax(scores, axis=-1), training=True), v)
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, length, width))

    def compute_output_spec(
        self, query: Any, key: Any, value: Any, mask: Any, training: bool | None = None
    ) -> keras.KerasTensor:
        return keras.KerasTensor(query.shape, query.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "dropout": self.rate}


@keras.saving.register_keras_serializable("warmstart")
class WordEmbedding(layers.Embedding):
    """An embedding that is also a decoder: with `reverse`, (B, T, D) -> products with its rows (B,
    T, V).
    """

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        if reverse:
            return ops.matmul(inputs, ops.transpose(ops.convert_to_tensor(self.embeddings)))
        return super().call(inputs)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> keras.KerasTensor:
        if reverse:
            return keras.KerasTensor((*inputs.shape[:-1], self.input_dim), self.compute_dtype)
        return super().compute_output_spec(inputs)


@keras.saving.register_keras_serializable("warmstart")
class Bias(layers.Layer):
    """x + bias, one number for each entry of the last axis."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        return x + self.bias


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
class TextModel(keras.Model):
    """A functional model that may be called with only `input_ids`: the other inputs of
    `text_inputs` are optional.
    """

    def __call__(self, inputs: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(inputs, dict):
            inputs = {"input_ids": inputs}
        return super().__call__(
            {**dict.fromkeys(("attention_mask", "token_type_ids")), **inputs}, *args, **options
        )


def text_inputs() -> dict[str, Any]:
    """`input_ids`, and the optional `attention_mask` and `token_type_ids`; each int32 (B, T)."""
    return {
        name: keras.Input((None,), dtype="int32", name=name, optional=name != "input_ids")
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }


def dense(config: EncoderConfig, size: int, name: str) -> layers.Dense:
    """A dense layer with the reference's initialisation: normal, `initializer_range` wide."""
    return layers.Dense(size, kernel_initializer=_normal(config), name=name)


def norm(config: EncoderConfig, name: str) -> layers.LayerNormalization:
    return layers.LayerNormalization(epsilon=config.layer_norm_eps, name=name)


def _normal(config: EncoderConfig) -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=config.initializer_range)


def encode(
    config: EncoderConfig,
    names: Names,
    inputs: Mapping[str, Any],
    *,
    position_padding: int | None = None,
) -> tuple[Any, layers.Embedding, Any]:
    """The hidden states float32 (B, T, D) as a layer named `last_hidden_state` (or their average
    over the last four layers, for heads that use it), the word embedding, and the mask int32 (B,
    T).
    """
    ids = inputs["input_ids"]
    mask = Fill(1, name="mask_or_ones")(ids, inputs["attention_mask"])
    word = _embedding(config, config.vocab_size, names.word, WordEmbedding)
    x = word(ids) + _embedding(config, config.max_position_embeddings, names.position)(
        Positions(position_padding, name="positions")(ids)
    )
    if config.type_vocab_size:
        types = Fill(0, name="types_or_zeros")(ids, inputs["token_type_ids"])
        x = x + _embedding(config, config.type_vocab_size, names.types)(types)
    x = layers.Dropout(config.hidden_dropout_prob, name="embeddings.dropout")(
        norm(config, names.embeddings_norm)(x)
    )
    states = []
    for index in range(config.num_hidden_layers):
        x = _layer(config, names, index, x, mask)
        states.append(x)
    is_classifier = config.head == "text-classification"
    if is_classifier and config.classifier_pooling == MEAN_OF_FOUR and len(states) > 1:
        x = layers.Average(name="averaged_states")(states[-4:])
    return layers.Identity(name="last_hidden_state")(x), word, mask


def _embedding(
    config: EncoderConfig, rows: int, name: str, cls: type = layers.Embedding
) -> layers.Embedding:
    return cls(rows, config.hidden_size, embeddings_initializer=_normal(config), name=name)


def _layer(config: EncoderConfig, names: Names, index: int, x: Any, mask: Any) -> Any:
    """norm(x + attention(x)), then norm(x + feed-forward(x)); x: (B, T, D)."""

    def name_of(template: str) -> str:
        return template.format(index)

    heads = Attention(
        config.num_attention_heads, config.attention_probs_dropout_prob, name=f"attention.{index}"
    )
    a = heads(
        *(
            dense(config, config.hidden_size, name_of(name))(x)
            for name in (names.query, names.key, names.value)
        ),
        mask,
    )
    a = layers.Dropout(config.hidden_dropout_prob)(
        dense(config, config.hidden_size, name_of(names.attention_out))(a)
    )
    x = norm(config, name_of(names.attention_norm))(x + a)
    f = ACTIVATIONS[config.hidden_act](
        dense(config, config.intermediate_size, name_of(names.feed_in))(x)
    )
    f = layers.Dropout(config.hidden_dropout_prob)(
        dense(config, config.hidden_size, name_of(names.feed_out))(f)
    )
    return norm(config, name_of(names.feed_norm))(x + f)
