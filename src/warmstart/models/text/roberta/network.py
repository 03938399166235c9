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

from warmstart.models.text.encoder import dense, gelu, norm
from warmstart.models.text.encoder_config import HEAD, EncoderConfig
from warmstart.models.text.encoder_model import text_model, vocabulary_head
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
    c = EncoderConfig.of(config, "roberta")

    def classifier(x: Any) -> Any:
        first = layers.Dropout(c.classifier_dropout)(x[:, 0])
        h = dense(c, c.hidden_size, f"{HEAD}classifier.dense")(first)
        h = layers.Activation("tanh", name="pooled")(h)
        h = layers.Dropout(c.classifier_dropout)(h)
        return dense(c, c.num_labels, f"{HEAD}classifier.out_proj")(h)

    def masked_words(x: Any, word: layers.Embedding) -> Any:
        h = gelu(dense(c, c.hidden_size, f"{HEAD}lm_head.dense")(x))
        h = norm(c, f"{HEAD}lm_head.layer_norm")(h)
        return vocabulary_head(c, h, word, "lm_head", "lm_head.decoder")

    return text_model(
        c,
        "roberta",
        classifier=classifier,
        masked_words=masked_words,
        position_padding=c.pad_token_id,
    )


load, arrays = weights_of(family, "roberta")
