"""DistilBERT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.keras_hub import converter
from warmstart.checkpoints.layout import Layout, Rules
from warmstart.models.checks import Described, Repository
from warmstart.models.keras_hub import Preset
from warmstart.models.text import encoder_config, keras_hub
from warmstart.models.text import repository as texts
from warmstart.models.text.encoder_config import as_task, parameters

__all__ = ["as_task", "parameters", "read", "read_keras_hub", "write"]

PAPER = (
    "Sanh, Debut, Chaumond, Wolf: DistilBERT, a distilled version of BERT: smaller, faster, cheaper and lighter, 2019, "
    "arXiv:1910.01108"
)
KEYS = {
    "hidden_size": "dim",
    "num_hidden_layers": "n_layers",
    "num_attention_heads": "n_heads",
    "intermediate_size": "hidden_dim",
    "hidden_act": "activation",
    "hidden_dropout_prob": "dropout",
    "attention_probs_dropout_prob": "attention_dropout",
}
"""The names of BERT's options in its configs."""
GELU = {"activation": "gelu"}
"""The names in KerasHub's presets."""
HEADS = ("pre_classifier.*", "classifier.*", "qa_outputs.*", "vocab_*")
KERAS_HUB_PARTS = {
    "self_attention_layer.query_dense": "attention.q_lin",
    "self_attention_layer.key_dense": "attention.k_lin",
    "self_attention_layer.value_dense": "attention.v_lin",
    "self_attention_layer.output_dense": "attention.out_lin",
    "self_attention_layer_norm": "sa_layer_norm",
    "feedforward_intermediate_dense": "ffn.lin1",
    "feedforward_output_dense": "ffn.lin2",
    "feedforward_layer_norm": "output_layer_norm",
}
KERAS_HUB: Rules = (
    *keras_hub.TOGETHER,
    *keras_hub.encoder_rules(r"transformer.layer.\1", KERAS_HUB_PARTS),
    (r"task\.dense\.0", "pre_classifier"),
    (r"task\.dense\.1", "classifier"),
)
LAYOUT = Layout(
    prefix="distilbert",
    outside=HEADS,
    modules=encoder_config.HEAD_MODULES,
    aliases=encoder_config.OLD_NAMES,
    keras_hub=converter(KERAS_HUB),
)
BLOCK = r"transformer\.layer\.(\d+)\."
LORA_TARGETS = ("q_lin", "v_lin")


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return encoder_config.read(repo, architecture="distilbert", paper=PAPER, sizes=_sizes)


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    config = keras_hub.encoder_config(preset, "distilbert", "DistilBert")
    config |= {own: config.get(key) for key, own in KEYS.items()} | GELU
    return read(replace(preset.repo, config=config))


def write(entry: Entry, labels: tuple[Label, ...]) -> dict[str, Any]:
    """The `config.json` of a saved bundle."""
    return encoder_config.write(
        entry,
        labels,
        classes={"distilbert": "DistilBert"},
        renamed=KEYS,
        more={"seq_classif_dropout": "classifier_dropout"},
    )


def _sizes(repo: Repository) -> dict[str, Any]:
    limits = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    return {
        "vocab_size": texts.size(repo, "vocab_size"),
        **{key: texts.size(repo, KEYS[key], limit=key) for key in limits},
        "max_position_embeddings": texts.size(repo, "max_position_embeddings", default=512),
        "type_vocab_size": 0,
        "hidden_act": repo.get("activation", "gelu"),
        "layer_norm_eps": 1e-12,  # fixed in the reference, whatever a config has
        "pad_token_id": texts.size(repo, "pad_token_id", limit="vocab_size", default=0),
        "hidden_dropout_prob": texts.number(repo, "dropout", 0.1),
        "attention_probs_dropout_prob": texts.number(repo, "attention_dropout", 0.1),
        "classifier_dropout": texts.number(repo, "seq_classif_dropout", 0.2),
    }
