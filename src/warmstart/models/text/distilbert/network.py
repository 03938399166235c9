"""DistilBERT with its heads: BERT's encoder without token types and pooler, half as deep.

Source: Sanh, Debut, Chaumond, Wolf, "DistilBERT, a distilled version of BERT" (2019); heads, names and numbers as in
Hugging Face transformers (models/distilbert).

| size | layers | width | heads | parameters (uncased) |
|------|-------:|------:|------:|---------------------:|
| base |      6 |   768 |    12 |           66,362,880 |
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from warmstart.models import torch_names
from warmstart.models.text.bert.network import token_head, vocabulary_head
from warmstart.models.text.encoder import ACTIVATIONS, EncoderConfig, Names, TextModel, dense, encode, norm, text_inputs

if TYPE_CHECKING:
    import numpy as np

    from warmstart.checkpoints import Checkpoint

HEADS = ("pre_classifier.*", "classifier.*", "qa_outputs.*", "vocab_*")
NAMES = Names(
    query="transformer.layer.{}.attention.q_lin", key="transformer.layer.{}.attention.k_lin",
    value="transformer.layer.{}.attention.v_lin", attention_out="transformer.layer.{}.attention.out_lin",
    attention_norm="transformer.layer.{}.sa_layer_norm", feed_in="transformer.layer.{}.ffn.lin1",
    feed_out="transformer.layer.{}.ffn.lin2", feed_norm="transformer.layer.{}.output_layer_norm",
)  # fmt: skip


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: as for `models.bert.build`; `type_vocab_size` is 0 and `pooler` False.

    Returns:
        A `keras.Model` as `models.bert.build` gives it; `token_type_ids` are accepted and not used.

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    config = _config(config)
    inputs = text_inputs()
    x, word = encode(config, NAMES, inputs)
    if config.head == "base":
        outputs = {"last_hidden_state": x}
    elif config.head == "text-classification":
        h = layers.Activation("relu", name="pooled")(dense(config, config.hidden_size, "pre_classifier")(x[:, 0]))
        h = layers.Dropout(config.classifier_dropout)(h)
        outputs = {"logits": dense(config, config.num_labels, "classifier")(h)}
    elif config.head == "fill-mask":
        h = ACTIVATIONS[config.hidden_act](dense(config, config.hidden_size, "vocab_transform")(x))
        h = norm(config, "vocab_layer_norm")(h)
        outputs = {"logits": vocabulary_head(config, h, word, "vocab_projector", "vocab_projector")}
    else:
        outputs = token_head(config, x)
    return TextModel(inputs, outputs, name="distilbert")


def load(model: keras.Model, checkpoint: "Checkpoint", config: EncoderConfig | Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the reference's names: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    torch_names.load(model, checkpoint, prefix="distilbert", head=_config(config).head, other_heads=HEADS)


def arrays(model: keras.Model, config: EncoderConfig | Mapping[str, Any]) -> "dict[str, np.ndarray]":
    """The weights under the reference's names."""
    return torch_names.arrays(model, prefix="distilbert", head=_config(config).head != "base", heads=HEADS)


def _config(config: EncoderConfig | Mapping[str, Any]) -> EncoderConfig:
    return EncoderConfig.of(config, "distilbert")
