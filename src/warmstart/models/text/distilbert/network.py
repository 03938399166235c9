"""DistilBERT with its heads: BERT's encoder without token types and pooler, half as deep.

Source: Sanh, Debut, Chaumond, Wolf, "DistilBERT, a distilled version of BERT" (2019); heads, names and numbers as in
Hugging Face transformers (models/distilbert).

| size | layers | width | heads | parameters (uncased) |
|------|-------:|------:|------:|---------------------:|
| base |      6 |   768 |    12 |           66,362,880 |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
from keras import layers

from warmstart.models.text.distilbert import family
from warmstart.models.text.encoder import ACTIVATIONS, Names, dense, norm
from warmstart.models.text.encoder_config import HEAD, EncoderConfig
from warmstart.models.text.encoder_model import text_model, vocabulary_head
from warmstart.models.text.encoder_weights import weights_of

NAMES = Names(
    query="transformer.layer.{}.attention.q_lin", key="transformer.layer.{}.attention.k_lin",
    value="transformer.layer.{}.attention.v_lin", attention_out="transformer.layer.{}.attention.out_lin",
    attention_norm="transformer.layer.{}.sa_layer_norm", feed_in="transformer.layer.{}.ffn.lin1",
    feed_out="transformer.layer.{}.ffn.lin2", feed_norm="transformer.layer.{}.output_layer_norm",
)  # fmt: skip


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: as for `text.bert.network.build`; `type_vocab_size` is 0 and `pooler` False.

    Returns:
        A `keras.Model` as `text.bert.network.build` gives it; `token_type_ids` are accepted and not
        used.

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    c = replace(EncoderConfig.of(config, "distilbert"), pooler=False)

    def classifier(x: Any) -> Any:
        h = dense(c, c.hidden_size, f"{HEAD}pre_classifier")(x[:, 0])
        h = layers.Activation("relu", name="pooled")(h)
        h = layers.Dropout(c.classifier_dropout)(h)
        return dense(c, c.num_labels, f"{HEAD}classifier")(h)

    def masked_words(x: Any, word: layers.Embedding) -> Any:
        h = ACTIVATIONS[c.hidden_act](dense(c, c.hidden_size, f"{HEAD}vocab_transform")(x))
        h = norm(c, f"{HEAD}vocab_layer_norm")(h)
        return vocabulary_head(c, h, word, "vocab_projector", "vocab_projector")

    return text_model(
        c, "distilbert", classifier=classifier, masked_words=masked_words, names=NAMES
    )


load, arrays = weights_of(family, "distilbert")
