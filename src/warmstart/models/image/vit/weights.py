"""Checkpoints of Vision Transformers: from Hugging Face's names to timm's, and position embeddings
of another grid.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import partial

import numpy as np

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.derived import Derived, DerivedCheckpoint
from warmstart.models.image.bicubic import resized
from warmstart.models.image.vit.config import ViTConfig

PREFIX = re.compile(r"^(vit|deit|dinov2|dinov2_with_registers)\.")
LAYER = r"^(?:encoder\.layer|layer|layers)\.(\d+)\."
HUGGING_FACE = (
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.distillation_token$", "dist_token"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.mask_token$", "mask_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (LAYER + r"attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (LAYER + r"(?:layernorm_before|norm1)\.", r"blocks.\1.norm1."),
    (LAYER + r"(?:layernorm_after|norm2)\.", r"blocks.\1.norm2."),
    (LAYER + r"(?:intermediate\.dense|mlp\.fc1|mlp\.weights_in)\.", r"blocks.\1.mlp.fc1."),
    (LAYER + r"(?:output\.dense|mlp\.fc2|mlp\.weights_out)\.", r"blocks.\1.mlp.fc2."),
    (LAYER + r"layer_scale(\d)\.lambda1$", r"blocks.\1.ls\2.gamma"),
    (r"^layernorm\.", "norm."),
    (r"^(?:cls_)?classifier\.", "head."),
    (r"^distillation_classifier\.", "head_dist."),
)
"""Rules from the names of Hugging Face, without the prefix, to those of timm."""
QUERY = re.compile(LAYER + r"attention\.attention\.query\.(weight|bias)$")
PARTS = ("query", "key", "value")


def timm_names(checkpoint: Checkpoint, config: ViTConfig) -> Checkpoint:
    """The checkpoint with the names of timm, in which queries, keys and values are one array."""
    bare = {PREFIX.sub("", name): name for name in checkpoint.names()}
    if "embeddings.cls_token" not in bare:
        return checkpoint
    derived: dict[str, Derived] = {}
    for name, source in bare.items():
        if match := QUERY.fullmatch(name):
            sources = tuple(
                source.replace(".query.", f".{part}.") for part in PARTS if part != "query"
            )
            if all(source in bare.values() for source in sources):
                shape = checkpoint.shape(source)
                derived[f"blocks.{match[1]}.attn.qkv.{match[2]}"] = Derived(
                    (source, *sources), (3 * shape[0], *shape[1:]), _joined
                )
            continue
        for pattern, replacement in HUGGING_FACE:
            if re.search(pattern, name):
                new = re.sub(pattern, replacement, name)
                derived[new] = Derived((source,), checkpoint.shape(source), np.asarray)
                break
    return DerivedCheckpoint(checkpoint, derived)


def resized_positions(
    checkpoint: Checkpoint, config: ViTConfig, grid: tuple[int, int]
) -> Checkpoint:
    """The checkpoint with position embeddings for a grid of patches (rows, columns)."""
    if "pos_embed" not in checkpoint.names():
        return checkpoint
    shape = checkpoint.shape("pos_embed")
    prefix = config.embedded_prefix
    count = shape[1] - prefix if len(shape) == 3 else 0
    side = math.isqrt(max(count, 0))
    if count == grid[0] * grid[1] or side < 1 or side * side != count:
        return checkpoint
    make = partial(_resized, prefix=prefix, side=side, grid=grid, antialias=config.antialias)
    new = Derived(("pos_embed",), (1, prefix + grid[0] * grid[1], shape[2]), make)
    derived: Mapping[str, Derived] = {"pos_embed": new}
    return DerivedCheckpoint(checkpoint, derived)


def _resized(
    array: np.ndarray, *, prefix: int, side: int, grid: tuple[int, int], antialias: bool
) -> np.ndarray:
    patches = array[0, prefix:].reshape(side, side, -1)
    moved = resized(patches, grid, antialias=antialias).reshape(1, -1, array.shape[-1])
    return np.concatenate([array[:, :prefix].astype(np.float32), moved], axis=1)


def _joined(*arrays: np.ndarray) -> np.ndarray:
    return np.concatenate(arrays)
