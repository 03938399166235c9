"""BERT, and every checkpoint whose config has its `model_type`, such as MiniLM."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.checkpoints.layout import Layout
from warmstart.models.text import encoder_config
from warmstart.models.text.encoder_config import as_task, parameters

__all__ = ["as_task", "parameters", "read", "write"]

PAPER = (
    "Devlin, Chang, Lee, Toutanova: BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, "
    "2018, arXiv:1810.04805"
)
OUTSIDE = ("classifier.*", "qa_outputs.*", "cls.*")
HEADS = ("pooler.*", *OUTSIDE)
DECODER = "cls.predictions"
LAYOUT = Layout(
    prefix="bert",
    outside=OUTSIDE,
    modules=encoder_config.HEAD_MODULES,
    aliases=encoder_config.OLD_NAMES,
)
BLOCK = r"encoder\.layer\.(\d+)\."
LORA_TARGETS = ("query", "value")


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    return encoder_config.read(
        config,
        folder,
        task,
        architecture="bert",
        paper=PAPER,
        sizes=partial(encoder_config.bert_sizes, pad_token_id=0),
    )


def write(entry: Entry, labels: tuple[Label, ...]) -> dict[str, Any]:
    """The `config.json` of a saved bundle."""
    return encoder_config.write(
        entry, labels, classes={"bert": "Bert"}, more=encoder_config.BERT_KEYS
    )
