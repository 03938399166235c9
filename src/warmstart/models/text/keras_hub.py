"""KerasHub's presets of text models: configs with Hugging Face's keys, and names of modules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from warmstart.checkpoints.layout import Rules
from warmstart.models.keras_hub import ACTIVATIONS, Preset

ENCODER_TASKS = {"TextClassifier": "ForSequenceClassification"}
"""Task class of KerasHub -> suffix of the class name in transformers."""
EPSILON = 1e-12


def encoder_config(preset: Preset, model_type: str, prefix: str) -> dict[str, Any]:
    """The `config.json` of an encoder with BERT's keys.

    Args:
        preset: of the backbone.
        model_type: of transformers.
        prefix: the prefix of its class names in transformers.
    """
    own = preset.sizes(
        "vocabulary_size",
        "hidden_dim",
        "num_layers",
        "num_heads",
        "intermediate_dim",
        "max_sequence_length",
    )
    dropout = float(preset.values.get("dropout", 0.1))
    end = ENCODER_TASKS.get(preset.model, "Model")
    config = {
        "model_type": model_type,
        "architectures": [prefix + end],
        "vocab_size": own["vocabulary_size"],
        "hidden_size": own["hidden_dim"],
        "num_hidden_layers": own["num_layers"],
        "num_attention_heads": own["num_heads"],
        "intermediate_size": own["intermediate_dim"],
        "max_position_embeddings": own["max_sequence_length"],
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "layer_norm_eps": EPSILON,
    }
    if end != "Model":
        preset.check_head(activation=ACTIVATIONS)
        config["num_labels"] = preset.classes
    return config


def encoder_rules(block: str, parts: Mapping[str, str]) -> Rules:
    """Rules for the layers of `TransformerEncoder`.

    Args:
        block: the module of a block, with `\\1` for its number.
        parts: KerasHub's name of a part -> the family's.
    """
    return tuple(
        (rf"transformer_encoder\.(\d+)\.{re.escape(name)}", f"{block}.{module}")
        for name, module in parts.items()
    )


PARTS = {
    "self_attention_layer.query_dense": "attention.self.query",
    "self_attention_layer.key_dense": "attention.self.key",
    "self_attention_layer.value_dense": "attention.self.value",
    "self_attention_layer.output_dense": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
}
"""The names of a block of BERT and RoBERTa."""
TOGETHER: Rules = (
    (r"token_and_position_embedding\.0\.token_embedding", "embeddings.word_embeddings"),
    (r"token_and_position_embedding\.0\.position_embedding", "embeddings.position_embeddings"),
    (r"layer_normalization\.0", "embeddings.LayerNorm"),
)
"""The embeddings of encoders without types of tokens."""
