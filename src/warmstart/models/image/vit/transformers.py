"""Vision Transformers of Hugging Face: `config.json` to sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import UsageError
from warmstart.models.checks import integer, number, one_of
from warmstart.models.image.classifiers import (
    classifier_preprocessing,
    head_of,
    repository_entry,
)
from warmstart.models.image.repository import HALF, IMAGENET
from warmstart.models.image.vit.config import DEIT, DINOV2, REGISTERS, VIT, ViTConfig, parameters
from warmstart.models.repository import CONFIG, licence_of

HEADS = {
    "ViTForImageClassification": True,
    "ViTModel": False,
    "DeiTForImageClassification": True,
    "DeiTForImageClassificationWithTeacher": True,
    "DeiTModel": False,
    "Dinov2ForImageClassification": True,
    "Dinov2Model": False,
    "Dinov2WithRegistersForImageClassification": True,
    "Dinov2WithRegistersModel": False,
}
"""Classes that are supported, and whether they have a head."""
TEACHER = "DeiTForImageClassificationWithTeacher"
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
}
PAPERS = {"vit": VIT, "deit": DEIT, "dinov2": DINOV2, "dinov2_with_registers": REGISTERS}


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path, model_type = folder / CONFIG, str(config["model_type"])
    name, labels = head_of(config, folder, task, HEADS)
    own_side = integer(config, "image_size", path, 224, 16, 4096)
    patch = integer(config, "patch_size", path, 16, 1, 256)
    is_dino = model_type.startswith("dinov2")
    scale = IMAGENET if is_dino else HALF
    rules = classifier_preprocessing(folder, own_side, scale)
    if any(side % patch for side in rules.size):
        raise UsageError(
            f"{folder}: an input of {rules.size} is not a whole number of patches of {patch} "
            "pixels; change the size in preprocessor_config.json."
        )
    made = ViTConfig(
        input_size=rules.size,
        patch=patch,
        width=integer(config, "hidden_size", path, 768, 1, 16384),
        depth=integer(config, "num_hidden_layers", path, 12, 1, 512),
        heads=integer(config, "num_attention_heads", path, 12, 1, 512),
        classes=len(labels),
        query_bias=one_of(config, "qkv_bias", path, True, (True, False)),
        activation=ACTIVATIONS[one_of(config, "hidden_act", path, "gelu", tuple(ACTIVATIONS))],
        epsilon=number(config, "layer_norm_eps", path, 1e-6 if is_dino else 1e-12, 0.0, 1.0),
    )
    if is_dino:
        made = _dinov2(made, config, path, name)
    else:
        made = replace(
            made,
            hidden=integer(config, "intermediate_size", path, 3072, 1, 131072),
            distillation_token=model_type == "deit",
            pool="tokens" if name == TEACHER else "token",
            antialias=False,
        )
    values = asdict(ViTConfig.of(made))
    entry = repository_entry(
        folder,
        family=model_type,
        architecture="vit",
        config={key: list(v) if isinstance(v, tuple) else v for key, v in values.items()},
        rules=rules,
        licence=licence_of(config),
        paper=PAPERS[model_type],
        parameters=parameters(values),
    )
    return entry, labels


def _dinov2(made: ViTConfig, config: Mapping[str, Any], path: Path, name: str) -> ViTConfig:
    has_registers = name.startswith("Dinov2WithRegisters")
    hidden = int(made.width * number(config, "mlp_ratio", path, 4, 0.1, 64))
    swiglu = one_of(config, "use_swiglu_ffn", path, False, (True, False))
    if swiglu:  # two thirds of it, as a multiple of 8
        hidden = (int(hidden * 2 / 3) + 7) // 8 * 8
    return replace(
        made,
        hidden=hidden,
        mlp="swiglu" if swiglu else "mlp",
        activation="silu" if swiglu else made.activation,
        layer_scale=True,
        registers=integer(config, "num_register_tokens", path, 4, 0, 64) if has_registers else 0,
        positions="class",
        pool="token_avg" if made.classes else "token",
        antialias=has_registers,
    )
