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

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.models.text.bert import family
from warmstart.models.text.encoder import (
    ACTIVATIONS,
    Names,
    TextModel,
    dense,
    encode,
    mean_classifier,
    norm,
    pooled,
    text_inputs,
    token_head,
    vocabulary_head,
)
from warmstart.models.text.encoder_config import HEAD, EncoderConfig
from warmstart.models.text.encoder_weights import weights_of


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: sizes, options and head; a mapping holds the fields of `EncoderConfig`.

    Returns:
        A `keras.Model` from `input_ids` and the optional `attention_mask` (1 token, 0 padding) and
        `token_type_ids`, int32 (B, T), to a dict of float32, by head:
        base: `last_hidden_state` (B, T, D), `pooler_output` (B, D) where there is a pooler;
        fill-mask: `logits` (B, T, V); text-classification: `logits` (B, L); token-classification:
        `logits` (B, T, L); question-answering: `start_logits` and `end_logits` (B, T).

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    config = EncoderConfig.of(config, "bert")
    width = config.hidden_size
    inputs = text_inputs()
    x, word, mask = encode(config, Names(), inputs)
    if config.head == "base":
        outputs = {"last_hidden_state": x} | (
            {"pooler_output": pooled(config, x)} if config.pooler else {}
        )
    elif config.head == "text-classification" and config.classifier_pooling != "cls":
        outputs = mean_classifier(config, x, mask)
    elif config.head == "text-classification":
        first = layers.Dropout(config.classifier_dropout)(pooled(config, x))
        outputs = {"logits": dense(config, config.num_labels, f"{HEAD}classifier")(first)}
    elif config.head == "fill-mask":
        h = ACTIVATIONS[config.hidden_act](
            dense(config, width, f"{HEAD}cls.predictions.transform.dense")(x)
        )
        h = norm(config, f"{HEAD}cls.predictions.transform.LayerNorm")(h)
        outputs = {
            "logits": vocabulary_head(config, h, word, "cls.predictions", "cls.predictions.decoder")
        }
    else:
        outputs = token_head(config, x)
    return TextModel(inputs, outputs, name="bert")


load, arrays = weights_of(family, "bert")
