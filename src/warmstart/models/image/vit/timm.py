"""Vision Transformers of timm: the sizes, from the shapes of the arrays and the model's name."""

from __future__ import annotations

import math
import re
from typing import Any

from warmstart.errors import UsageError
from warmstart.models.checks import Described, Repository
from warmstart.models.image import timm
from warmstart.models.image.classifiers import Shapes
from warmstart.models.image.vit.config import DEIT, DEIT3, DINOV2, REGISTERS, VIT, ViTConfig

WIDE_HEADS = (1152, 1280, 1408, 1664)
"""Widths with 16 heads; at all other widths a head is 64 wide."""
KNOWN = (
    "patch_size", "embed_dim", "depth", "mlp_ratio", "init_values", "class_token", "reg_tokens",
    "no_embed_class", "qkv_bias", "pre_norm", "fc_norm", "dynamic_img_size", "num_heads",
)  # fmt: skip
"""Keys of `model_args` that follow from the shapes of the arrays, or that `read` checks."""
PAPERS = {"deit3": DEIT3, "deit": DEIT, "reg": REGISTERS, "dinov2": DINOV2, "": VIT}
"""A part of the name -> the paper; the first that fits."""


def read(repo: Repository) -> Described:
    """See `models.repository.read`."""
    return timm.read(
        repo,
        _config,
        arguments=KNOWN,
        head="head.weight",
        paper=lambda repo, _: next(
            paper for part, paper in PAPERS.items() if part in repo.config["architecture"]
        ),
    )


def _config(repo: Repository, shapes: Shapes, **outputs: Any) -> ViTConfig:
    name = repo.config["architecture"]
    arguments = repo.get("model_args") or {}
    width, channels, patch, _ = shapes["patch_embed.proj.weight"]
    inner, hidden = shapes["blocks.0.mlp.fc1.weight"][0], shapes["blocks.0.mlp.fc2.weight"][1]
    if channels != 3:
        raise UsageError(f"{repo.path}: in_chans must be 3, not {channels}.")
    blocks = {match[1] for key in shapes if (match := re.match(r"blocks\.(\d+)\.", key))}
    has_class, has_distillation = "cls_token" in shapes, "dist_token" in shapes
    registers = shapes["reg_token"][1] if "reg_token" in shapes else 0
    prefix = has_class + has_distillation + registers
    pool = arguments.get("global_pool") or repo.get("global_pool")
    pool = pool or ("token" if has_class else "avg")
    if pool not in ("token", "avg"):
        raise UsageError(f"{repo.path}: global_pool {pool!r} is not supported.")
    default = 16 if width in WIDE_HEADS else max(width // 64, 1)
    quick = "quickgelu" in name
    swiglu = inner == 2 * hidden
    return ViTConfig(
        patch=patch,
        width=width,
        depth=len(blocks),
        heads=arguments.get("num_heads") or default,
        hidden=hidden,
        class_token=has_class,
        distillation_token=has_distillation,
        registers=registers,
        positions=_positions(shapes["pos_embed"][1], prefix, outputs["input_size"], patch),
        pool="tokens" if has_distillation else pool,
        norm="norm.weight" in shapes,
        pool_norm="fc_norm.weight" in shapes,
        norm_before="norm_pre.weight" in shapes,
        layer_scale="blocks.0.ls1.gamma" in shapes,
        query_bias="blocks.0.attn.qkv.bias" in shapes,
        patch_bias="patch_embed.proj.bias" in shapes,
        mlp="swiglu" if swiglu else "mlp",
        activation="silu" if swiglu else "quick_gelu" if quick else "gelu",
        epsilon=1e-5 if "_clip_" in name else 1e-6,
        **outputs,
    )


def _positions(count: int, prefix: int, size: tuple[int, int], patch: int) -> str:
    """Whether the tokens before the patches have position embeddings: the number of all of them
    says so.
    """
    patches = size[0] // patch * (size[1] // patch)
    if count in (patches, patches + prefix):
        return "all" if count == patches + prefix else "none"
    return "none" if math.isqrt(count) ** 2 == count else "all"
