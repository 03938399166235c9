"""RoBERTa with its heads; also DistilRoBERTa, XLM-RoBERTa and CamemBERT, which have its architecture.

Source: Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach" (2019); heads, names and numbers as in
Hugging Face transformers (models/roberta). It is BERT's encoder, except that positions are counted over tokens that
are not padding, and start after the id of the padding.

| size  | layers | width | heads | parameters (without pooler) |
|-------|-------:|------:|------:|----------------------------:|
| base  |     12 |   768 |    12 |                 124,055,040 |
| large |     24 |  1024 |    16 |                 354,310,144 |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.models.text.encoder import (
    Names,
    TextModel,
    dense,
    encode,
    gelu,
    mean_classifier,
    norm,
    pooled,
    text_inputs,
    token_head,
    vocabulary_head,
)
from warmstart.models.text.encoder_config import HEAD, EncoderConfig
from warmstart.models.text.encoder_weights import weights_of
from warmstart.models.text.roberta import family


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: as for `text.bert.network.build`; `pad_token_id` also decides where positions start.

    Returns:
        A `keras.Model` as `text.bert.network.build` gives it.

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    config = EncoderConfig.of(config, "roberta")
    width = config.hidden_size
    inputs = text_inputs()
    x, word, mask = encode(config, Names(), inputs, position_padding=config.pad_token_id)
    if config.head == "base":
        outputs = {"last_hidden_state": x} | (
            {"pooler_output": pooled(config, x)} if config.pooler else {}
        )
    elif config.head == "text-classification" and config.classifier_pooling != "cls":
        outputs = mean_classifier(config, x, mask)
    elif config.head == "text-classification":
        first = layers.Dropout(config.classifier_dropout)(x[:, 0])
        h = layers.Activation("tanh", name="pooled")(
            dense(config, width, f"{HEAD}classifier.dense")(first)
        )
        h = layers.Dropout(config.classifier_dropout)(h)
        outputs = {"logits": dense(config, config.num_labels, f"{HEAD}classifier.out_proj")(h)}
    elif config.head == "fill-mask":
        h = norm(config, f"{HEAD}lm_head.layer_norm")(
            gelu(dense(config, width, f"{HEAD}lm_head.dense")(x))
        )
        outputs = {"logits": vocabulary_head(config, h, word, "lm_head", "lm_head.decoder")}
    else:
        outputs = token_head(config, x)
    return TextModel(inputs, outputs, name="roberta")


load, arrays = weights_of(family, "roberta")
