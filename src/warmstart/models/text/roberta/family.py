"""RoBERTa, and the families with its architecture: XLM-RoBERTa and CamemBERT."""

from __future__ import annotations

from collections.abc import Mapping
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

CLASSES = {"roberta": "Roberta", "xlm-roberta": "XLMRoberta", "camembert": "Camembert"}
PAPERS = {
    "roberta": "Liu et al.: RoBERTa: A Robustly Optimized BERT Pretraining Approach, 2019, arXiv:1907.11692",
    "xlm-roberta": "Conneau et al.: Unsupervised Cross-lingual Representation Learning at Scale, 2019, "
    "arXiv:1911.02116",
    "camembert": "Martin et al.: CamemBERT: a Tasty French Language Model, 2019, arXiv:1911.03894",
}
OUTSIDE = ("classifier.*", "qa_outputs.*", "lm_head.*")
HEADS = ("pooler.*", *OUTSIDE)
DECODER = "lm_head"
PADDING = 2
"""Unused positions before the first token, which KerasHub's embedding tables do not have."""
POSITIONS = "embeddings.position_embeddings.weight"
KERAS_HUB: Rules = (
    *keras_hub.TOGETHER,
    *keras_hub.encoder_rules(r"encoder.layer.\1", keras_hub.PARTS),
    (r"task\.dense\.0", "classifier.dense"),
    (r"task\.dense\.1", "classifier.out_proj"),
)
LAYOUT = Layout(
    prefix="roberta",
    outside=OUTSIDE,
    modules=encoder_config.HEAD_MODULES,
    aliases=encoder_config.OLD_NAMES,
    keras_hub=converter(KERAS_HUB, rows_before={POSITIONS: PADDING}),
)
BLOCK = r"encoder\.layer\.(\d+)\."
LORA_TARGETS = ("query", "value")


def first_position(config: Mapping[str, Any]) -> int:
    """The position of the first token: those before it are for padding."""
    return int(config["pad_token_id"]) + 1


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return encoder_config.read(
        repo,
        architecture="roberta",
        paper=PAPERS[str(repo.get("model_type"))],
        sizes=partial(encoder_config.bert_sizes, pad_token_id=1),
        first_position=first_position,
    )


def read_keras_hub(preset: Preset) -> Described:
    """See `models.repository.read`."""
    config = keras_hub.encoder_config(preset, "roberta", "Roberta")
    positions = config["max_position_embeddings"] + PADDING
    own = {"max_position_embeddings": positions, "type_vocab_size": 0, "layer_norm_eps": 1e-5}
    return read(replace(preset.repo, config={**config, **own}))


def write(entry: Entry, labels: tuple[Label, ...]) -> dict[str, Any]:
    """The `config.json` of a saved bundle."""
    return encoder_config.write(entry, labels, classes=CLASSES, more=encoder_config.BERT_KEYS)
