"""Low-rank adapters: a frozen encoder learns small corrections to the matrices of its attention.

Source: Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models" (2021), arXiv:2106.09685: W
+ (alpha / r) B A on query and value, alpha = r here. Names and files are those of Hugging Face
PEFT.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart import catalog
from warmstart.catalog import Entry
from warmstart.checkpoints.layout import PYTORCH
from warmstart.core import adapters
from warmstart.core.model import Model
from warmstart.errors import UnknownModelError, UsageError
from warmstart.models import architecture, family
from warmstart.models.text.encoder_config import is_body


@dataclass(frozen=True)
class Adapter:
    """The files of an adapter, in place of weights: arrays under PEFT's names, and
    `adapter_config.json`.
    """

    arrays: Mapping[str, np.ndarray]
    config: bytes


def check(base: Model[Any, Any, Any], rank: int) -> None:
    """Raise `UsageError` where the base cannot be adapted with this rank."""
    width = base.entry.config["hidden_size"]
    if rank > width:
        raise UsageError(f"lora, the rank of the adapter, must be from 1 to {width}, not {rank}.")
    if base.weights.path is None or adapters.is_adapter(base.weights.path):
        raise UsageError(
            f"{base.name} has no weights of its own to adapt; `save` it first, and start "
            "from that folder."
        )


def adapt(network: keras.Model, entry: Entry, rank: int, seed: int) -> None:
    """Freeze the encoder and give its attention an adapter that changes nothing yet."""
    targets = family(entry.architecture).LORA_TARGETS
    for index, layer in enumerate(network.layers):
        if not layer.weights or not is_body(layer.name):
            continue
        if layer.name.rpartition(".")[2] not in targets:
            layer.trainable = False
            continue
        layer.enable_lora(rank, a_initializer=keras.initializers.HeUniform(seed + index))
        layer.bias.trainable = False


def merged(network: keras.Model, entry: Entry) -> keras.Model:
    """The same function without an adapter: a network as the architecture builds it."""
    plain = architecture(entry.architecture).build(entry.config)
    for old, new in zip(network.layers, plain.layers, strict=True):
        if getattr(old, "lora_enabled", False):
            new.set_weights([np.asarray(old.kernel), np.asarray(old.bias)])
        else:
            new.set_weights(old.get_weights())
    return plain


def adapter(network: keras.Model, entry: Entry, digest: str, source: str, rank: int) -> Adapter:
    """The adapter and the trained head of a network; `digest` and `source` are those of the base's
    weights.
    """
    layout = family(entry.architecture).LAYOUT
    arrays: dict[str, np.ndarray] = {}
    heads: set[str] = set()
    modules: set[str] = set()
    for layer in network.layers:
        module = layout.module(layer.name)
        if getattr(layer, "lora_enabled", False):
            modules.add(layer.name.rpartition(".")[2])
            name = f"{adapters.ROOT}{layout.prefix}.{module}"
            arrays[f"{name}.lora_A.weight"] = np.ascontiguousarray(
                np.asarray(layer.lora_kernel_a).T
            )  # (r, in)
            arrays[f"{name}.lora_B.weight"] = np.ascontiguousarray(
                np.asarray(layer.lora_kernel_b).T
            )  # (out, r)
        elif layer.weights and not is_body(layer.name):
            heads.add(module.partition(".")[0])
            for weight in layer.weights:
                value = np.asarray(weight)
                name = layout.prefixed(f"{module}.{PYTORCH[weight.name]}")
                arrays[f"{adapters.ROOT}{name}"] = np.ascontiguousarray(
                    value.T if value.ndim == 2 else value
                )
    config = {
        "peft_type": "LORA",
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": sorted(modules),
        "modules_to_save": sorted(heads),
        "fan_in_fan_out": False,
        "inference_mode": True,
        "base_model_name_or_path": source,
        adapters.DIGEST: digest,
    }
    return Adapter(arrays, (json.dumps(config, indent=1) + "\n").encode())


def source_of(base: str | PathLike[str] | Model[Any, Any, Any], model: Model[Any, Any, Any]) -> str:
    """How the base is identified: its source or name in the catalogue, else the folder it lies in."""
    if isinstance(base, str) and "://" in base:
        return base
    try:
        return catalog.get(model.name).name
    except UnknownModelError:
        return str((model._folder or Path(str(base))).resolve())
