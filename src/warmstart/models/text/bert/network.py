"""BERT with its heads; also MiniLM, and every checkpoint whose config has model_type "bert".

Source: Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers" (2018); heads, names and
numbers as in Hugging Face transformers (models/bert).

| size  | layers | width | heads | parameters (uncased, with pooler) |
|-------|-------:|------:|------:|----------------------------------:|
| tiny  |      2 |   128 |     2 |                         4,385,920 |
| mini  |      4 |   256 |     4 |                        11,170,560 |
| small |      4 |   512 |     8 |                        28,763,648 |
| base  |     12 |   768 |    12 |                       109,482,240 |
| large |     24 |  1024 |    16 |                       335,141,888 |
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from warmstart.models import torch_names
from warmstart.models.text.encoder import (
    ACTIVATIONS,
    Bias,
    EncoderConfig,
    Names,
    TextModel,
    dense,
    encode,
    norm,
    text_inputs,
)

if TYPE_CHECKING:
    import numpy as np

    from warmstart.checkpoints import Checkpoint

OUTSIDE = ("classifier.*", "qa_outputs.*", "cls.*")
HEADS = ("pooler.*", *OUTSIDE)


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: sizes, options and head; a mapping holds the fields of `EncoderConfig`.

    Returns:
        A `keras.Model` from `input_ids` and the optional `attention_mask` (1 token, 0 padding) and `token_type_ids`,
        int32 (B, T), to a dict of float32, by head:
        base: `last_hidden_state` (B, T, D), `pooler_output` (B, D) where there is a pooler;
        fill-mask: `logits` (B, T, V); text-classification: `logits` (B, L); token-classification: `logits` (B, T, L);
        question-answering: `start_logits` and `end_logits` (B, T).

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    config = EncoderConfig.of(config, "bert")
    inputs = text_inputs()
    x, word = encode(config, Names(), inputs)
    if config.head == "base":
        outputs = {"last_hidden_state": x} | ({"pooler_output": pooled(config, x)} if config.pooler else {})
    elif config.head == "text-classification":
        first = layers.Dropout(config.classifier_dropout)(pooled(config, x))
        outputs = {"logits": dense(config, config.num_labels, "classifier")(first)}
    elif config.head == "fill-mask":
        h = ACTIVATIONS[config.hidden_act](dense(config, config.hidden_size, "cls.predictions.transform.dense")(x))
        h = norm(config, "cls.predictions.transform.LayerNorm")(h)
        outputs = {"logits": vocabulary_head(config, h, word, "cls.predictions", "cls.predictions.decoder")}
    else:
        outputs = token_head(config, x)
    return TextModel(inputs, outputs, name="bert")


def vocabulary_head(config: EncoderConfig, h: Any, word: layers.Embedding, tied: str, untied: str) -> Any:
    """Logits (B, T, V) by the word embedding and a bias of the module `tied`, or by a layer of their own."""
    if config.tie_word_embeddings:
        return Bias(name=tied)(word(h, reverse=True))
    return dense(config, config.vocab_size, untied)(h)


def token_head(config: EncoderConfig, x: Any) -> dict[str, Any]:
    """The heads that every family has alike, on hidden states (B, T, D): one class, or two ends of a span, a token."""
    if config.head == "token-classification":
        dropped = layers.Dropout(config.classifier_dropout)(x)
        return {"logits": dense(config, config.num_labels, "classifier")(dropped)}
    assert config.head == "question-answering", config.head
    ends = dense(config, 2, "qa_outputs")(x)
    return {"start_logits": ends[:, :, 0], "end_logits": ends[:, :, 1]}


def pooled(config: EncoderConfig, x: Any) -> Any:
    """The pooler: tanh of a dense layer on the first token: (B, T, D) -> (B, D)."""
    return layers.Activation("tanh", name="pooled")(dense(config, config.hidden_size, "pooler.dense")(x[:, 0]))


def load(model: keras.Model, checkpoint: "Checkpoint", config: EncoderConfig | Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the reference's names: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    config = EncoderConfig.of(config, "bert")
    torch_names.load(model, checkpoint, prefix="bert", head=config.head, other_heads=HEADS,
                     same=decoder_names("cls.predictions", config))


def decoder_names(module: str, config: EncoderConfig) -> dict[str, str]:
    """A decoder's bias is kept at `module.bias`, `module.decoder.bias`, or both."""
    own, inner = f"{module}.bias", f"{module}.decoder.bias"
    return {inner: own} if config.tie_word_embeddings else {own: inner}


def arrays(model: keras.Model, config: EncoderConfig | Mapping[str, Any]) -> "dict[str, np.ndarray]":
    """The weights under the reference's names."""
    config = EncoderConfig.of(config, "bert")
    found = torch_names.arrays(model, prefix="bert", head=config.head != "base", heads=OUTSIDE)
    return found | {own: found[inner] for own, inner in decoder_names("cls.predictions", config).items()
                    if inner in found and not config.tie_word_embeddings}
