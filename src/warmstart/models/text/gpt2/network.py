"""GPT-2: a decoder-only transformer with learned positions and normalisation before each part.

Source: Radford, Wu, Child, Luan, Amodei, Sutskever, "Language Models are Unsupervised Multitask Learners" (2019);
every option as the reference implementation (Hugging Face transformers, `GPT2Config`) reads it.

| size   | n_layer | n_embd | n_head |    parameters |
|--------|--------:|-------:|-------:|--------------:|
| distil |       6 |    768 |     12 |    81,912,576 |
| small  |      12 |    768 |     12 |   124,439,808 |
| medium |      24 |   1024 |     16 |   354,823,168 |
| large  |      36 |   1280 |     20 |   774,030,080 |
| xl     |      48 |   1600 |     25 | 1,557,611,200 |

Letters in shapes: B texts, T tokens of a text, N new tokens, S cached tokens, C = n_embd, H heads of D = C / H.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill
from warmstart.models.text.gpt2 import family
from warmstart.models.text.gpt2.family import GPT2Config

HIDDEN = (
    -1e9
)  # added to the score of a token that must not be seen; finite, so that a row of them gives no NaN
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu_new": partial(ops.gelu, approximate=True),  # with tanh
    "gelu_pytorch_tanh": partial(ops.gelu, approximate=True),
    "gelu": partial(ops.gelu, approximate=False),  # with erf
    "relu": ops.relu,
    "silu": ops.silu,
    "swish": ops.silu,
    "tanh": ops.tanh,
}


class Block(layers.Layer):
    """x + attention(norm(x)), then x + mlp(norm(x)); the attention itself is the caller's."""

    def __init__(self, config: GPT2Config, index: int):
        super().__init__(name=f"h_{index}")
        normal = keras.initializers.RandomNormal
        first = normal(stddev=config.initializer_range)
        last = normal(
            stddev=config.initializer_range / (2 * config.n_layer) ** 0.5
        )  # section 2.3 of the paper
        width = config.n_inner or 4 * config.n_embd
        self.upcast, self.scale = config.reorder_and_upcast_attn, config.scale(index)
        self.activation = ACTIVATIONS[config.activation_function]
        self.ln_1 = layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="ln_1")
        self.c_attn = layers.Dense(3 * config.n_embd, kernel_initializer=first, name="attn_c_attn")
        self.c_proj = layers.Dense(config.n_embd, kernel_initializer=last, name="attn_c_proj")
        self.ln_2 = layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="ln_2")
        self.c_fc = layers.Dense(width, kernel_initializer=first, name="mlp_c_fc")
        self.mlp_proj = layers.Dense(config.n_embd, kernel_initializer=last, name="mlp_c_proj")
        self.dropout = layers.Dropout(config.resid_pdrop)
        self.attention_dropout = layers.Dropout(config.attn_pdrop)

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = shape[-1]
        for layer, inputs in (
            (self.ln_1, width),
            (self.c_attn, width),
            (self.c_proj, width),
            (self.ln_2, width),
            (self.c_fc, width),
            (self.mlp_proj, self.c_fc.units),
        ):
            layer.build((*shape[:-1], inputs))

    def call(
        self, x: Any, *, attend: Callable[[Any, Any, Any], Any], training: bool | None = None
    ) -> Any:
        """x: (..., C); `attend` takes queries, keys and values (..., C) and gives their mixture
        (..., C).
        """
        query, key, value = ops.split(self.c_attn(self.ln_1(x)), 3, axis=-1)
        x = x + self.dropout(self.c_proj(attend(query * self.scale, key, value)), training=training)
        hidden = self.activation(self.c_fc(self.ln_2(x)))
        return x + self.dropout(self.mlp_proj(hidden), training=training)

    def weigh(self, scores: Any, training: bool | None = None) -> Any:
        """Scores -> attention weights, in float32 if the config asks for it."""
        exact = ops.softmax(ops.cast(scores, "float32") if self.upcast else scores, axis=-1)
        return self.attention_dropout(ops.cast(exact, scores.dtype), training=training)


class GPT2(keras.Model):
    """The whole network.

    Called on a dict of int32 (B, T) arrays: `input_ids`; optionally `attention_mask` (1 for real
    tokens, 0 for padding) and `position_ids`. Returns `last_hidden_state` (B, T, C) and `logits`:
    (B, T, vocab_size), or with `num_labels` (B, num_labels), taken at each text's last real token.
    """

    def __init__(self, config: GPT2Config, **options: Any):
        super().__init__(name="gpt2", **options)
        self.config = config
        normal = keras.initializers.RandomNormal(stddev=config.initializer_range)
        self.wte = layers.Embedding(
            config.vocab_size, config.n_embd, embeddings_initializer=normal, name="wte"
        )
        self.wpe = layers.Embedding(
            config.n_positions, config.n_embd, embeddings_initializer=normal, name="wpe"
        )
        self.dropout = layers.Dropout(config.embd_pdrop, name="drop")
        self.h = [Block(config, i) for i in range(config.n_layer)]
        self.ln_f = layers.LayerNormalization(epsilon=config.layer_norm_epsilon, name="ln_f")
        self.head: Any = None
        if config.num_labels:
            self.head = layers.Dense(
                config.num_labels, use_bias=False, kernel_initializer=normal, name="score"
            )
        elif not config.tie_word_embeddings:
            self.head = layers.Dense(
                config.vocab_size, use_bias=False, kernel_initializer=normal, name="lm_head"
            )

    def build(self, shape: Any = None) -> None:
        for layer in (self.wte, self.wpe):
            layer.build((None, None))
        for layer in (*self.h, self.ln_f, *([self.head] if self.head else ())):
            layer.build((None, None, self.config.n_embd))
        self.built = True

    def get_config(self) -> dict[str, Any]:
        return {"config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> keras.Model:
        return build(config["config"])

    def call(self, inputs: Mapping[str, Any], training: bool | None = None) -> dict[str, Any]:
        ids, mask, positions = (
            inputs.get(key) for key in ("input_ids", "attention_mask", "position_ids")
        )
        length = ops.shape(ids)[1]
        indices = ops.arange(length)
        x = self.wte(ids) + self.wpe(indices[None] if positions is None else positions)  # (B, T, C)
        x = self.dropout(x, training=training)
        seen = ops.expand_dims(indices, -1) >= indices  # (T, T): what comes later is hidden
        hidden = ops.where(seen, ops.cast(0.0, x.dtype), ops.cast(HIDDEN, x.dtype))
        if mask is not None:
            padding = (1.0 - ops.cast(mask, x.dtype)) * HIDDEN
            hidden = ops.minimum(hidden, ops.expand_dims(padding, (1, 2)))  # (B, 1, T, T)
        for block in self.h:
            x = block(x, attend=partial(self._attend, block, hidden, training), training=training)
        x = self.ln_f(x)
        if self.config.num_labels:
            return {"logits": self.head(_last_real(x, mask)), "last_hidden_state": x}
        return {"logits": self.project(x), "last_hidden_state": x}

    def _attend(
        self, block: Block, hidden: Any, training: bool | None, query: Any, key: Any, value: Any
    ) -> Any:
        batch, length = ops.shape(query)[:2]
        heads, width = self.config.n_head, self.config.n_embd // self.config.n_head
        query, key, value = (
            ops.transpose(ops.reshape(x, (batch, length, heads, width)), (0, 2, 1, 3))
            for x in (query, key, value)
        )  # (B, H, T, D)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) + hidden  # (B, H, T, T)
        mixed = ops.matmul(block.weigh(scores, training), value)  # (B, H, T, D)
        return ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (batch, length, heads * width))

    def project(self, x: Any) -> Any:
        """(..., C) -> logits (..., vocab_size)."""
        if self.head is not None:
            return self.head(x)
        return ops.matmul(x, ops.transpose(ops.convert_to_tensor(self.wte.embeddings)))

    def step(
        self, ids: Any, positions: Any, sees_cached: Any, sees_new: Any, rows: Any, *cache: Any
    ) -> dict[str, Any]:
        """Process new tokens after cached ones, for `prefill` and `decode`.

        Tokens of several texts, or of several beams of one, may stand side by side: the masks say
        who sees whom.

        Args:
            ids, positions: int32 (N,).
            sees_cached: float32 (N, S), added to the scores: 0 where a token sees a cached one,
                else `HIDDEN`.
            sees_new: float32 (N, N), the same among the new tokens.
            rows: int32 (R,), the new tokens whose logits are returned.
            *cache: keys of layer 0, values of layer 0, keys of layer 1, ...; each (H, S, D).

        Returns:
            `logits` (R, vocab_size), `states` (R, C) before the head, and `rows` (2 * n_layer, H,
            N, D), the new tokens' keys and values in the cache's order.
        """
        heads, width = self.config.n_head, self.config.n_embd // self.config.n_head
        written: list[Any] = []

        def attend(
            block: Block, old_keys: Any, old_values: Any, query: Any, key: Any, value: Any
        ) -> Any:
            query, key, value = (
                ops.transpose(ops.reshape(x, (-1, heads, width)), (1, 0, 2))
                for x in (query, key, value)
            )  # (H, N, D)
            written.extend((key, value))
            cached = (
                ops.matmul(query, ops.transpose(old_keys, (0, 2, 1))) + sees_cached
            )  # (H, N, S)
            new = ops.matmul(query, ops.transpose(key, (0, 2, 1))) + sees_new  # (H, N, N)
            # One softmax over both parts without joining them: that would copy the cache.
            top = ops.maximum(
                ops.max(cached, axis=-1, keepdims=True), ops.max(new, axis=-1, keepdims=True)
            )
            cached, new = ops.exp(cached - top), ops.exp(new - top)
            total = ops.sum(cached, axis=-1, keepdims=True) + ops.sum(new, axis=-1, keepdims=True)
            mixed = (ops.matmul(cached, old_values) + ops.matmul(new, value)) / total  # (H, N, D)
            return ops.reshape(ops.transpose(mixed, (1, 0, 2)), (-1, heads * width))  # (N, C)

        x = self.wte(ids) + self.wpe(positions)  # (N, C)
        for index, block in enumerate(self.h):
            x = block(x, attend=partial(attend, block, *cache[2 * index : 2 * index + 2]))
        states = self.ln_f(ops.take(x, rows, axis=0))
        return {"logits": self.project(states), "states": states, "rows": ops.stack(written)}


def _last_real(x: Any, mask: Any) -> Any:
    """(B, T, C) -> (B, C): the last token that is not padding, wherever the padding is."""
    if mask is None:
        return x[:, -1]
    tokens = ops.cast(mask, "int32")
    numbers = ops.cumsum(tokens, axis=1) * tokens  # tokens counted from 1, padding 0
    is_last = ops.equal(numbers, ops.max(numbers, axis=1, keepdims=True))
    return ops.sum(x * ops.expand_dims(ops.cast(is_last, x.dtype), -1), axis=1)


def outputs(model: GPT2, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of the program of a classifier: `logits` (B, L), and `features` (B, C), the final
    state of each text's last token.
    """
    results = model(inputs, training=False)
    states = _last_real(results["last_hidden_state"], inputs.get("attention_mask"))
    return {"logits": results["logits"], "features": states}


def build(config: GPT2Config | Mapping[str, Any]) -> keras.Model:
    """Build the network with random weights; see `GPT2` for its inputs and outputs.

    Raises:
        UsageError: the config has an unknown key, or one that is not supported.
    """
    model = GPT2(GPT2Config.of(config))
    model.build()
    return model


def load(
    model: keras.Model, checkpoint: Checkpoint, config: GPT2Config | Mapping[str, Any]
) -> None:
    """Fill the network from a checkpoint with Hugging Face's names, with or without `transformer.`
    in front.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    fill(model, checkpoint, family.LAYOUT)


arrays = arrays_of(family.LAYOUT)
"""The weights under the names that `load` and transformers' GPT2LMHeadModel read."""
