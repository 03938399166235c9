"""The encoder of BERT's family with a head, as a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from warmstart.models.text.encoder import (
    Bias,
    MeanOfTokens,
    Names,
    TextModel,
    dense,
    encode,
    text_inputs,
)
from warmstart.models.text.encoder_config import HEAD, EncoderConfig


def text_model(
    config: EncoderConfig,
    name: str,
    *,
    classifier: Callable[[Any], Any],
    masked_words: Callable[[Any, layers.Embedding], Any],
    names: Names | None = None,
    position_padding: int | None = None,
) -> keras.Model:
    """Build the encoder and the head of a config.

    Args:
        config: of the network.
        name: of the model.
        classifier: from hidden states (B, T, D) to the logits (B, L) of texts.
        masked_words: from hidden states and the word embedding to the logits (B, T, V) of tokens.
        names: of the modules; default: BERT's.
        position_padding: see `Positions`.
    """
    inputs = text_inputs()
    x, word, mask = encode(config, names or Names(), inputs, position_padding=position_padding)
    outputs: dict[str, Any]
    if config.head == "base":
        outputs = {"last_hidden_state": x}
        if config.pooler:
            outputs["pooler_output"] = pooled(config, x)
    elif config.head == "text-classification" and config.classifier_pooling != "cls":
        mean = MeanOfTokens(name="pooled_mean")(x, mask)
        outputs = {"logits": _labels(config, mean)}
    elif config.head == "text-classification":
        outputs = {"logits": classifier(x)}
    elif config.head == "fill-mask":
        outputs = {"logits": masked_words(x, word)}
    elif config.head == "token-classification":
        outputs = {"logits": _labels(config, x)}
    else:
        assert config.head == "question-answering", config.head
        ends = dense(config, 2, f"{HEAD}qa_outputs")(x)
        outputs = {"start_logits": ends[:, :, 0], "end_logits": ends[:, :, 1]}
    return TextModel(inputs, outputs, name=name)


def _labels(config: EncoderConfig, x: Any) -> Any:
    dropped = layers.Dropout(config.classifier_dropout)(x)
    return dense(config, config.num_labels, f"{HEAD}classifier")(dropped)


def pooled(config: EncoderConfig, x: Any) -> Any:
    """The pooler: tanh of a dense layer on the first token, (B, T, D) -> (B, D)."""
    return layers.Activation("tanh", name="pooled")(
        dense(config, config.hidden_size, "pooler.dense")(x[:, 0])
    )


def vocabulary_head(
    config: EncoderConfig, h: Any, word: layers.Embedding, tied: str, untied: str
) -> Any:
    """Logits (B, T, V) from the word embedding and the bias of the module `tied`, or from the layer
    `untied`, as the config says.
    """
    if config.tie_word_embeddings:
        return Bias(name=f"{HEAD}{tied}")(word(h, reverse=True))
    return dense(config, config.vocab_size, f"{HEAD}{untied}")(h)
