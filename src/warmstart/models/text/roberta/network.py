"""RoBERTa with its heads; also DistilRoBERTa, XLM-RoBERTa and CamemBERT, which have its architecture.

Source: Liu et al., "RoBERTa: A Robustly Optimized BERT Pretraining Approach" (2019); heads, names and numbers as in
Hugging Face transformers (models/roberta). It is BERT's encoder, except that positions are counted over tokens that
are not padding, and start after the id of the padding.

| size  | layers | width | heads | parameters (without pooler) |
|-------|-------:|------:|------:|----------------------------:|
| base  |     12 |   768 |    12 |                 124,055,040 |
| large |     24 |  1024 |    16 |                 354,310,144 |
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import layers

from warmstart.models import torch_names
from warmstart.models.text.bert.network import decoder_names, pooled, token_head, vocabulary_head
from warmstart.models.text.encoder import EncoderConfig, Names, TextModel, dense, encode, gelu, norm, text_inputs

if TYPE_CHECKING:
    import numpy as np

    from warmstart.checkpoints import Checkpoint

OUTSIDE = ("classifier.*", "qa_outputs.*", "lm_head.*")
HEADS = ("pooler.*", *OUTSIDE)


def build(config: EncoderConfig | Mapping[str, Any]) -> keras.Model:
    """Build the encoder and its head.

    Args:
        config: as for `models.bert.build`; `pad_token_id` also decides where positions start.

    Returns:
        A `keras.Model` as `models.bert.build` gives it.

    Raises:
        UsageError: the config has an unknown key or an impossible value.
    """
    config = _config(config)
    inputs = text_inputs()
    x, word = encode(config, Names(), inputs, position_padding=config.pad_token_id)
    if config.head == "base":
        outputs = {"last_hidden_state": x} | ({"pooler_output": pooled(config, x)} if config.pooler else {})
    elif config.head == "text-classification":
        first = layers.Dropout(config.classifier_dropout)(x[:, 0])
        h = layers.Activation("tanh", name="pooled")(dense(config, config.hidden_size, "classifier.dense")(first))
        h = layers.Dropout(config.classifier_dropout)(h)
        outputs = {"logits": dense(config, config.num_labels, "classifier.out_proj")(h)}
    elif config.head == "fill-mask":
        h = norm(config, "lm_head.layer_norm")(gelu(dense(config, config.hidden_size, "lm_head.dense")(x)))
        outputs = {"logits": vocabulary_head(config, h, word, "lm_head", "lm_head.decoder")}
    else:
        outputs = token_head(config, x)
    return TextModel(inputs, outputs, name="roberta")


def load(model: keras.Model, checkpoint: "Checkpoint", config: EncoderConfig | Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the reference's names: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    config = _config(config)
    torch_names.load(model, checkpoint, prefix="roberta", head=config.head, other_heads=HEADS,
                     same=decoder_names("lm_head", config))


def arrays(model: keras.Model, config: EncoderConfig | Mapping[str, Any]) -> "dict[str, np.ndarray]":
    """The weights under the reference's names."""
    config = _config(config)
    found = torch_names.arrays(model, prefix="roberta", head=config.head != "base", heads=OUTSIDE)
    return found | {own: found[inner] for own, inner in decoder_names("lm_head", config).items()
                    if inner in found and not config.tie_word_embeddings}


def _config(config: EncoderConfig | Mapping[str, Any]) -> EncoderConfig:
    return EncoderConfig.of(config, "roberta")
