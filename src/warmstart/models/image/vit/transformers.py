"""Vision Transformers of Hugging Face: `config.json` to sizes."""

from __future__ import annotations

from dataclasses import replace

from warmstart.errors import UsageError
from warmstart.models.checks import Described, Repository
from warmstart.models.image.classifiers import (
    classifier_preprocessing,
    head_of,
    repository_entry,
)
from warmstart.models.image.repository import HALF, IMAGENET
from warmstart.models.image.vit.config import DEIT, DINOV2, REGISTERS, VIT, ViTConfig
from warmstart.models.repository import licence_of

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


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    model_type = str(repo.get("model_type"))
    name, labels = head_of(repo, HEADS)
    own_side = repo.integer("image_size", 224, 16, 4096)
    patch = repo.integer("patch_size", 16, 1, 256)
    is_dino = model_type.startswith("dinov2")
    scale = IMAGENET if is_dino else HALF
    rules = classifier_preprocessing(repo.folder, own_side, scale)
    if any(side % patch for side in rules.size):
        raise UsageError(
            f"{repo.folder}: an input of {rules.size} is not a whole number of patches of {patch} "
            "pixels; change the size in preprocessor_config.json."
        )
    config = ViTConfig(
        input_size=rules.size,
        patch=patch,
        width=repo.integer("hidden_size", 768, 1, 16384),
        depth=repo.integer("num_hidden_layers", 12, 1, 512),
        heads=repo.integer("num_attention_heads", 12, 1, 512),
        classes=len(labels),
        query_bias=repo.one_of("qkv_bias", (True, False)),
        activation=ACTIVATIONS[repo.one_of("hidden_act", tuple(ACTIVATIONS), "gelu")],
        epsilon=repo.number("layer_norm_eps", 1e-6 if is_dino else 1e-12, 0.0, 1.0),
    )
    if is_dino:
        config = _dinov2(config, repo, name)
    else:
        config = replace(
            config,
            hidden=repo.integer("intermediate_size", 3072, 1, 131072),
            distillation_token=model_type == "deit",
            pool="tokens" if name == TEACHER else "token",
            antialias=False,
        )
    entry = repository_entry(
        repo,
        config,
        rules,
        family=model_type,
        licence=licence_of(repo),
        paper=PAPERS[model_type],
    )
    return entry, labels


def _dinov2(config: ViTConfig, repo: Repository, name: str) -> ViTConfig:
    has_registers = name.startswith("Dinov2WithRegisters")
    hidden = int(config.width * repo.number("mlp_ratio", 4, 0.1, 64))
    swiglu = repo.one_of("use_swiglu_ffn", (True, False), False)
    if swiglu:  # two thirds of it, as a multiple of 8
        hidden = (int(hidden * 2 / 3) + 7) // 8 * 8
    return replace(
        config,
        hidden=hidden,
        mlp="swiglu" if swiglu else "mlp",
        activation="silu" if swiglu else config.activation,
        layer_scale=True,
        registers=repo.integer("num_register_tokens", 4, 0, 64) if has_registers else 0,
        positions="class",
        pool="token_avg" if config.classes else "token",
        antialias=has_registers,
    )
