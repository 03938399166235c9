"""Whisper: speech to text, one encoder and one decoder.

Source: Radford, Kim, Xu, Brockman, McLeavey, Sutskever, "Robust Speech Recognition via Large-Scale Weak
Supervision" (2022), arXiv:2212.04356, section 2.2 and table 1. Two convolutions (the second of stride 2) and
sinusoidal positions, then pre-norm Transformer blocks; the decoder has learned positions, looks at the encoder
in every block, and its output matrix is its token embedding. Keys have no bias; GELU is the exact one.

| size | layers (each half) | width | heads | parameters |
|------|-------------------:|------:|------:|-----------:|
| tiny   |  4 |  384 |  6 |    37,760,640 |
| base   |  6 |  512 |  8 |    72,593,920 |
| small  | 12 |  768 | 12 |   241,734,912 |
| medium | 24 | 1024 | 16 |   763,857,920 |
| large  | 32 | 1280 | 20 | 1,543,304,960 |

Layers are named as the public checkpoints name theirs, without "model.": `encoder.layers.0.self_attn.q_proj`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill
from warmstart.models.speech.whisper import family
from warmstart.models.speech.whisper.family import WhisperConfig

EPSILON = 1e-5
HIDDEN = -1e9  # added to scores of positions that may not be seen


class Whisper(keras.Model):
    """The whole network, and the ways through it.

    Called on a dict of `input_features` float32 (B, mels, F) and `decoder_input_ids` int32 (B, T),
    T of at most `text_positions`. Returns `logits` (B, T, V) and `encoder_last_hidden_state` (B, S,
    D).

    Shapes: B batch, F frames (2 S), S encoder positions, T tokens, C positions of the cache, D
    width, H heads, d width of a head, V vocabulary.
    """

    def __init__(self, config: WhisperConfig, **options: Any):
        super().__init__(name="whisper", **options)
        self.config = config
        self.parts: dict[str, Any] = {}
        dense, norm, c = layers.Dense, layers.LayerNormalization, config
        self._add("encoder.conv1", layers.Conv1D, (c.mels,), c.width, 3)
        self._add("encoder.conv2", layers.Conv1D, (c.width,), c.width, 3, 2)
        self._add(
            "encoder.embed_positions",
            layers.Embedding,
            (),
            c.audio_positions,
            c.width,
            embeddings_initializer=sinusoids,
            trainable=False,
        )
        self._add("decoder.embed_tokens", layers.Embedding, (), c.vocabulary, c.width)
        self._add("decoder.embed_positions", layers.Embedding, (), c.text_positions, c.width)
        for half, blocks, hidden in (
            ("encoder", c.encoder_layers, c.encoder_hidden),
            ("decoder", c.decoder_layers, c.decoder_hidden),
        ):
            for block in (f"{half}.layers.{number}" for number in range(blocks)):
                for attention in ("self_attn", "encoder_attn")[: 1 if half == "encoder" else 2]:
                    self._add(f"{block}.{attention}_layer_norm", norm, (c.width,), epsilon=EPSILON)
                    for letter in "qkv":
                        name = f"{block}.{attention}.{letter}_proj"
                        self._add(name, dense, (c.width,), c.width, use_bias=letter != "k")
                    self._add(f"{block}.{attention}.out_proj", dense, (c.width,), c.width)
                self._add(f"{block}.final_layer_norm", norm, (c.width,), epsilon=EPSILON)
                self._add(f"{block}.fc1", dense, (c.width,), hidden)
                self._add(f"{block}.fc2", dense, (hidden,), c.width)
            self._add(f"{half}.layer_norm", norm, (c.width,), epsilon=EPSILON)
        self.built = True

    def _add(
        self,
        name: str,
        make: Callable[..., Any],
        inputs: tuple[int, ...],
        *arguments: Any,
        **options: Any,
    ) -> None:
        self.parts[name] = layer = make(*arguments, **options, name=name)
        layer.build((None, None, *inputs))

    def get_config(self) -> dict[str, Any]:
        return {"config": asdict(self.config)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> "Whisper":
        return cls(WhisperConfig.of(config["config"]))

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> dict[str, Any]:
        encoded = self.encode(inputs["input_features"])
        logits, _, _ = self.decode(inputs["decoder_input_ids"], self.cross(encoded))
        return {"logits": logits, "encoder_last_hidden_state": encoded}

    def _heads(self, x: Any, heads: int) -> Any:
        """(B, T, D) -> (B, H, T, d)."""
        return ops.transpose(
            ops.reshape(x, (*_lengths(x), heads, x.shape[-1] // heads)), (0, 2, 1, 3)
        )

    def _feed_forward(self, name: str, x: Any, hidden: int) -> Any:
        """x + W2 gelu(W1 norm(x)); (B, T, D)."""
        y = self.parts[f"{name}.fc1"](self.parts[f"{name}.final_layer_norm"](x))
        return x + self.parts[f"{name}.fc2"](ops.gelu(y, approximate=False))

    def _query(self, name: str, x: Any, heads: int) -> Any:
        """Scaled queries (B, H, T, d)."""
        query = self.parts[f"{name}.q_proj"](x)
        return self._heads(query * (self.config.width // heads) ** -0.5, heads)

    def _key_value(self, name: str, x: Any, heads: int) -> tuple[Any, Any]:
        """Keys and values, (B, H, d, T) both: products along rows are what engines do fastest."""
        transposed = []
        for letter in "kv":
            y = self.parts[f"{name}.{letter}_proj"](x)
            y = ops.reshape(y, (*_lengths(x), heads, self.config.width // heads))
            transposed.append(ops.transpose(y, (0, 2, 3, 1)))
        return transposed[0], transposed[1]

    def _attend(
        self, name: str, query: Any, key: Any, value: Any, mask: Any = None
    ) -> tuple[Any, Any]:
        """Attention of many queries; -> (B, T, D) and probabilities (B, H, T, S)."""
        scores = ops.matmul(query, key)  # (B, H, T, S)
        probabilities = ops.softmax(scores if mask is None else scores + mask)
        return self._project(
            name, ops.matmul(probabilities, ops.swapaxes(value, -1, -2))
        ), probabilities

    def _project(self, name: str, heads: Any) -> Any:
        """(B, H, T, d) -> (B, T, D), through the output matrix."""
        joined = ops.transpose(heads, (0, 2, 1, 3))
        joined = ops.reshape(joined, (*_lengths(joined), self.config.width))
        return self.parts[f"{name}.out_proj"](joined)

    def encode(self, features: Any) -> Any:
        """Log-mel features (B, mels, F) -> (B, S, D)."""
        c = self.config
        x = ops.transpose(features, (0, 2, 1))  # (B, F, mels)
        for name in ("encoder.conv1", "encoder.conv2"):
            x = ops.pad(
                x, ((0, 0), (1, 1), (0, 0))
            )  # "same" would pad the second one on one side only
            x = ops.gelu(self.parts[name](x), approximate=False)
        x = x + self.parts["encoder.embed_positions"](ops.arange(c.audio_positions))
        for number in range(c.encoder_layers):
            name = f"encoder.layers.{number}"
            y = self.parts[f"{name}.self_attn_layer_norm"](x)
            query = self._query(f"{name}.self_attn", y, c.encoder_heads)
            x = (
                x
                + self._attend(
                    f"{name}.self_attn",
                    query,
                    *self._key_value(f"{name}.self_attn", y, c.encoder_heads),
                )[0]
            )
            x = self._feed_forward(name, x, c.encoder_hidden)
        return self.parts["encoder.layer_norm"](x)

    def cross(self, encoded: Any) -> list[tuple[Any, Any]]:
        """The keys and values, (B, H, d, S), of each decoder block from the encoder's states (B, S,
        D).
        """
        return [
            self._key_value(f"decoder.layers.{n}.encoder_attn", encoded, self.config.decoder_heads)
            for n in range(self.config.decoder_layers)
        ]

    def _embed(self, tokens: Any, positions: Any) -> Any:
        return self.parts["decoder.embed_tokens"](tokens) + self.parts["decoder.embed_positions"](
            positions
        )

    def _logits(self, x: Any) -> Any:
        """(B, T, D) -> (B, T, V), by the embedding itself."""
        x = self.parts["decoder.layer_norm"](x)
        return ops.matmul(
            x, ops.transpose(ops.convert_to_tensor(self.parts["decoder.embed_tokens"].embeddings))
        )

    def decode(
        self, tokens: Any, cross: list[tuple[Any, Any]], rows: Any = None
    ) -> tuple[Any, list[tuple[Any, Any]], list[Any]]:
        """All tokens (B, T) from position 0 on, at once.

        Args:
            tokens: int32.
            cross: of `cross`.
            rows: int32 (R,), the positions whose logits are returned; None: all.

        Returns:
            logits (B, R, V); keys and values of the tokens per block; how
            each block looks at the encoder, (B, H, T, S).
        """
        c = self.config
        positions = ops.arange(ops.shape(tokens)[1])
        mask = ops.where(positions[None, :] > positions[:, None], HIDDEN, 0.0)  # (T, T)
        x = self._embed(tokens, positions)
        cache, seen = [], []
        for number in range(c.decoder_layers):
            name = f"decoder.layers.{number}"
            y = self.parts[f"{name}.self_attn_layer_norm"](x)
            cache.append(self._key_value(f"{name}.self_attn", y, c.decoder_heads))
            query = self._query(f"{name}.self_attn", y, c.decoder_heads)
            x = x + self._attend(f"{name}.self_attn", query, *cache[-1], mask)[0]
            y = self.parts[f"{name}.encoder_attn_layer_norm"](x)
            query = self._query(f"{name}.encoder_attn", y, c.decoder_heads)
            y, probabilities = self._attend(f"{name}.encoder_attn", query, *cross[number])
            seen.append(probabilities)
            x = self._feed_forward(name, x + y, c.decoder_hidden)
        return self._logits(x if rows is None else ops.take(x, rows, axis=1)), cache, seen

    def step(
        self, token: Any, position: Any, cache: list[tuple[Any, Any]], cross: list[tuple[Any, Any]]
    ) -> tuple[Any, list[tuple[Any, Any]]]:
        """One token (B, 1) at `position` (1,), after those whose keys and values are in the cache.

        Its products with the caches are sums of element-wise ones: a matrix product would first
        repack the cache, which costs more than the product with one vector.

        Args:
            token, position: int32.
            cache: per block, keys and values (B, H, d, C); positions from `position` on are not
                seen.
            cross: of `cross`.

        Returns:
            logits (B, 1, V); per block, this token's key and value (B, H, d, 1).
        """
        c = self.config
        x = self._embed(token, position)
        mask = ops.where(ops.arange(c.text_positions) >= position, HIDDEN, 0.0)  # (C,)
        new = []
        for number in range(c.decoder_layers):
            name = f"decoder.layers.{number}"
            y = self.parts[f"{name}.self_attn_layer_norm"](x)
            key, value = self._key_value(f"{name}.self_attn", y, c.decoder_heads)
            new.append((key, value))
            query = self._column(f"{name}.self_attn", y)
            old = ops.sum(cache[number][0] * query, axis=2, keepdims=True) + mask  # (B, H, 1, C)
            scores = ops.concatenate([old, ops.sum(key * query, axis=2, keepdims=True)], axis=-1)
            shares = ops.softmax(scores)
            heads = (
                ops.sum(cache[number][1] * shares[..., :-1], axis=-1, keepdims=True)
                + value * shares[..., -1:]
            )
            x = x + self._project(f"{name}.self_attn", ops.swapaxes(heads, -1, -2))
            y = self.parts[f"{name}.encoder_attn_layer_norm"](x)
            query = self._column(f"{name}.encoder_attn", y)
            shares = ops.softmax(
                ops.sum(cross[number][0] * query, axis=2, keepdims=True)
            )  # (B, H, 1, S)
            heads = ops.sum(cross[number][1] * shares, axis=-1, keepdims=True)  # (B, H, d, 1)
            x = x + self._project(f"{name}.encoder_attn", ops.swapaxes(heads, -1, -2))
            x = self._feed_forward(name, x, c.decoder_hidden)
        return self._logits(x), new

    def _column(self, name: str, x: Any) -> Any:
        """The scaled query of one token, (B, H, d, 1)."""
        c = self.config
        query = self.parts[f"{name}.q_proj"](x) * c.head_width**-0.5
        return ops.reshape(query, (_lengths(x)[0], c.decoder_heads, c.head_width, 1))


def heads_of(seen: list[Any], chosen: Sequence[Sequence[int]]) -> Any:
    """The cross-attention weights of the chosen (block, head) pairs, (B, len(chosen), T, S), from
    those of each block, (B, H, T, S).
    """
    return ops.concatenate([seen[block][:, head : head + 1] for block, head in chosen], axis=1)


def _lengths(x: Any) -> tuple[Any, Any]:
    """The first two dimensions, for a reshape: numbers if they are known, at most one -1."""
    batch, length = x.shape[:2]
    if batch is None and length is None:
        batch, length = ops.shape(x)[:2]
    return (-1 if batch is None else batch), (-1 if length is None else length)


def sinusoids(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """The encoder's positions: sines in the first half of the width, cosines in the second, of
    wavelengths 2 pi to 20,000 pi."""
    half = shape[1] // 2
    angles = np.arange(shape[0])[:, None] * np.exp(
        -np.log(10_000) / max(half - 1, 1) * np.arange(half)
    )
    return ops.convert_to_tensor(
        np.concatenate([np.sin(angles), np.cos(angles)], axis=1), dtype or "float32"
    )


def build(config: WhisperConfig | Mapping[str, Any]) -> Whisper:
    """Build the network with random weights; see `Whisper` for its inputs and outputs.

    Args:
        config: its sizes; a mapping contains the fields of `WhisperConfig`.

    Raises:
        UsageError: the config has an unknown key.
    """
    return Whisper(WhisperConfig.of(config))


def load(
    model: keras.Model, checkpoint: Checkpoint, config: WhisperConfig | Mapping[str, Any]
) -> None:
    """Fill the model from a checkpoint with the public names: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    fill(model, checkpoint, family.LAYOUT)


arrays = arrays_of(family.LAYOUT)
"""The weights under their public names and in their public layout."""
