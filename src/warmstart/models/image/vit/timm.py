"""Vision Transformers of timm: the sizes, from the shapes of the arrays and the model's name."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from warmstart.catalog.entry import Entry, Label
from warmstart.errors import BundleError, UsageError
from warmstart.models.image import timm
from warmstart.models.image.classifiers import array_shapes, check_task
from warmstart.models.image.vit.config import (
    DEIT,
    DEIT3,
    DINOV2,
    REGISTERS,
    VIT,
    ViTConfig,
    parameters,
)
from warmstart.models.repository import CONFIG

WIDE_HEADS = (1152, 1280, 1408, 1664)
"""Widths with 16 heads; at all other widths a head is 64 wide."""
KNOWN = (
    "patch_size", "embed_dim", "depth", "mlp_ratio", "init_values", "class_token", "reg_tokens",
    "no_embed_class", "qkv_bias", "pre_norm", "fc_norm", "dynamic_img_size", "num_heads",
)  # fmt: skip
"""Keys of `model_args` that the shapes of the arrays say as well, or that `read` looks at."""
PAPERS = {"deit3": DEIT3, "deit": DEIT, "reg": REGISTERS, "dinov2": DINOV2, "": VIT}
"""A part of the name -> the paper; the first that fits."""


def read(
    config: Mapping[str, Any], folder: Path, task: str | None
) -> tuple[Entry, tuple[Label, ...]]:
    """See `models.repository.read`."""
    path, name = folder / CONFIG, str(config["architecture"])
    check_task(folder, task)
    timm.check_arguments(config, path, KNOWN)
    labels, rules = timm.labels_of(config, path), timm.preprocessing(config, path)
    shapes = array_shapes(folder)
    made = _config(name, config, shapes, path, rules.size)
    timm.check_classes(shapes, "head.weight", len(labels), path)
    values = asdict(made)
    entry = timm.entry(
        folder,
        config,
        family=name.partition("_")[0],
        architecture="vit",
        values={key: list(v) if isinstance(v, tuple) else v for key, v in values.items()},
        rules=rules,
        paper=next(paper for part, paper in PAPERS.items() if part in name),
        parameters=parameters(values),
    )
    return entry, labels


def _config(
    name: str,
    config: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    path: Path,
    size: tuple[int, int],
) -> ViTConfig:
    arguments = config.get("model_args") or {}
    try:
        width, channels, patch, _ = shapes["patch_embed.proj.weight"]
        inner, hidden = shapes["blocks.0.mlp.fc1.weight"][0], shapes["blocks.0.mlp.fc2.weight"][1]
        positions = shapes["pos_embed"][1]
    except (KeyError, ValueError, IndexError) as error:
        raise BundleError(
            f"{path.parent}: the weights are not those of a Vision Transformer ({error} is missing "
            "or has another shape)."
        ) from error
    if channels != 3:
        raise UsageError(f"{path}: in_chans must be 3, not {channels}.")
    blocks = {match[1] for key in shapes if (match := re.match(r"blocks\.(\d+)\.", key))}
    has_class, has_distillation = "cls_token" in shapes, "dist_token" in shapes
    registers = shapes["reg_token"][1] if "reg_token" in shapes else 0
    prefix = has_class + has_distillation + registers
    pool = arguments.get("global_pool") or config.get("global_pool")
    pool = pool or ("token" if has_class else "avg")
    if pool not in ("token", "avg"):
        raise UsageError(f"{path}: global_pool {pool!r} is not supported.")
    usual = 16 if width in WIDE_HEADS else max(width // 64, 1)
    quick = "quickgelu" in name
    swiglu = inner == 2 * hidden
    return ViTConfig.of(
        ViTConfig(
            input_size=size,
            patch=patch,
            width=width,
            depth=len(blocks),
            heads=arguments.get("num_heads") or usual,
            hidden=hidden,
            classes=int(shapes.get("head.weight", (0,))[0]),
            class_token=has_class,
            distillation_token=has_distillation,
            registers=registers,
            positions=_positions(positions, prefix, size, patch),
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
        )
    )


def _positions(count: int, prefix: int, size: tuple[int, int], patch: int) -> str:
    """Whether the tokens before the patches have position embeddings: the number of all of them
    says so.
    """
    patches = size[0] // patch * (size[1] // patch)
    if count in (patches, patches + prefix):
        return "all" if count == patches + prefix else "none"
    return "none" if math.isqrt(count) ** 2 == count else "all"
