"""BERT, and every checkpoint whose config has its `model_type`, such as MiniLM."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.keras_hub import converter
from warmstart.checkpoints.layout import Layout, Rules
from warmstart.models.checks import Described, Repository
from warmstart.models.keras_hub import Preset
from warmstart.models.text import encoder_config, keras_hub
from warmstart.models.text.encoder_config import as_task, parameters

__all__ = ["as_task", "parameters", "read", "read_keras_hub", "write"]

PAPER = (
    "Devlin, Chang, Lee, Toutanova: BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, "
    "2018, arXiv:1810.04805"
)
OUTSIDE = ("classifier.*", "qa_outputs.*", "cls.*")
HEADS = ("pooler.*", *OUTSIDE)
DECODER = "cls.predictions"
KERAS_HUB: Rules = (
    (r"reversible_embedding\.0", "embeddings.word_embeddings"),
    (r"position_embedding\.0", "embeddings.position_embeddings"),
    (r"embedding\.0", "embeddings.token_type_embeddings"),
    (r"layer_normalization\.0", "embeddings.LayerNorm"),
    (r"dense\.0", "pooler.dense"),
    *keras_hub.encoder_rules(r"encoder.layer.\1", keras_hub.PARTS),
    (r"task\.dense\.0", "classifier"),
)
LAYOUT = Layout(
    prefix="bert",
    outside=OUTSIDE,
    modules=encoder_config.HEAD_MODULES,
    aliases=encoder_config.OLD_NAMES,
    keras_hub=converter(KERAS_HUB),
)
BLOCK = r"encoder\.layer\.(\d+)\."
LORA_TARGETS = ("query", "value")


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return encoder_config.read(
        repo,
        architecture="bert",
        paper=PAPER,
        sizes=partial(encoder_config.bert_sizes, pad_token_id=0),
    )


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    config = keras_hub.encoder_config(preset, "bert", "Bert")
    config |= {"type_vocab_size": preset.sizes("num_segments")["num_segments"]}
    return read(replace(preset.repo, config={**config, "hidden_act": "gelu_pytorch_tanh"}))


def write(entry: Entry, labels: tuple[Label, ...]) -> dict[str, Any]:
    """The `config.json` of a saved bundle."""
    return encoder_config.write(
        entry, labels, classes={"bert": "Bert"}, more=encoder_config.BERT_KEYS
    )
