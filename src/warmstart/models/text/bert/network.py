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
from warmstart.models.text.encoder import ACTIVATIONS, dense, norm
from warmstart.models.text.encoder_config import HEAD, EncoderConfig
from warmstart.models.text.encoder_model import pooled, text_model, vocabulary_head
from warmstart.models.text.encoder_weights import weights_of


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: sizes, options and head; a mapping contains the fields of `EncoderConfig`.

    Returns:
        A `keras.Model` from `input_ids` and the optional `attention_mask` (1 token, 0 padding) and
        `token_type_ids`, int32 (B, T), to a dict of float32, by head:
        base: `last_hidden_state` (B, T, D), `pooler_output` (B, D) if there is a pooler;
        fill-mask: `logits` (B, T, V); text-classification: `logits` (B, L); token-classification:
        `logits` (B, T, L); question-answering: `start_logits` and `end_logits` (B, T).

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    c = EncoderConfig.of(config, "bert")

    def classifier(x: Any) -> Any:
        first = layers.Dropout(c.classifier_dropout)(pooled(c, x))
        return dense(c, c.num_labels, f"{HEAD}classifier")(first)

    def masked_words(x: Any, word: layers.Embedding) -> Any:
        module = f"{HEAD}cls.predictions.transform"
        h = ACTIVATIONS[c.hidden_act](dense(c, c.hidden_size, f"{module}.dense")(x))
        h = norm(c, f"{module}.LayerNorm")(h)
        return vocabulary_head(c, h, word, "cls.predictions", "cls.predictions.decoder")

    return text_model(c, "bert", classifier=classifier, masked_words=masked_words)


load, arrays = weights_of(family, "bert")
