"""SegFormer in KerasHub's presets: its config, and the names of its arrays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.keras_hub import pytorch_arrays
from warmstart.models.image.keras_hub import SIZE, encoder_config, numbered, suffix
from warmstart.models.keras_hub import Preset

GELU_TANH = "gelu_pytorch_tanh"
BLOCK_EPSILON = 1e-6
KEYS = {
    "depths": "layerwise_depths",
    "hidden_sizes": "hidden_dims",
    "num_attention_heads": "layerwise_num_heads",
    "sr_ratios": "layerwise_sr_ratios",
    "patch_sizes": "layerwise_patch_sizes",
    "strides": "layerwise_strides",
}
"""Our keys -> those of `MiTBackbone`."""
MLP_RATIO = 4
ENCODER = "functional.0"
PARTS = {
    "norm1": "layer_norm_1",
    "norm2": "layer_norm_2",
    "attn.q": "attention.self.query",
    "attn.k": "attention.self.key",
    "attn.v": "attention.self.value",
    "attn.proj": "attention.output.dense",
    "attn.sr": "attention.self.sr",
    "attn.norm": "attention.self.layer_norm",
    "mlp.fc1": "mlp.dense1",
    "mlp.dwconv": "mlp.dwconv.dwconv",
    "mlp.fc2": "mlp.dense2",
}
"""KerasHub's names -> those of transformers, in a block."""


def sizes_of(preset: Preset, largest: Mapping[str, int], widest: int) -> dict[str, Any]:
    """The values of a `SegformerConfig` for a preset, without its classes.

    Args:
        preset: with a `SegFormerBackbone`.
        largest: the largest value of a stage, by key.
        widest: the maximum number of channels.

    Raises:
        UsageError: an option is not supported.
    """
    encoder = encoder_config(preset, "MiTBackbone")
    stages = encoder.integer("num_layers", 4, 1, 8)
    values: dict[str, Any] = {
        own: encoder.integers(key, [], 1, largest[own], stages) for own, key in KEYS.items()
    }
    width = preset.values.integer("projection_filters", 256, 1, widest)
    shape = encoder.get("image_shape") or ()
    return {
        **values,
        "mlp_ratios": [MLP_RATIO] * stages,
        "decoder_hidden_size": width,
        "hidden_act": GELU_TANH,
        "block_epsilon": BLOCK_EPSILON,
        "input_size": [side or default for side, default in zip(shape, SIZE, strict=False)],
    }


def arrays(checkpoint: Checkpoint, depths: Sequence[int]) -> Checkpoint:
    """The arrays of a preset under the names of transformers; `depths`: blocks of each stage."""
    return pytorch_arrays(checkpoint, partial(_modules, depths=depths))


def _modules(names: list[str], depths: Sequence[int]) -> dict[str, str]:
    modules = {
        "sequential.0.conv2d": "decode_head.linear_fuse",
        "sequential.0.batch_normalization": "decode_head.batch_norm",
        "task.conv2d.0": "decode_head.classifier",
    }
    # Keras numbers these layers in the order in which their outputs are added: the last stage first
    linear = reversed(numbered(names, "dense"))
    modules |= {name: f"decode_head.linear_c.{stage}.proj" for stage, name in enumerate(linear)}
    blocks = itertools.count()
    for stage, depth in enumerate(depths):
        patches = f"{ENCODER}.overlapping_patching_and_embedding{suffix(stage)}"
        own = f"segformer.encoder.patch_embeddings.{stage}"
        norm = f"{ENCODER}.layer_normalization{suffix(stage)}"
        modules |= {
            f"{patches}.proj": f"{own}.proj",
            f"{patches}.norm": f"{own}.layer_norm",
            norm: f"segformer.encoder.layer_norm.{stage}",
        }
        for block in range(depth):
            layer = f"{ENCODER}.hierarchical_transformer_encoder{suffix(next(blocks))}"
            own = f"segformer.encoder.block.{stage}.{block}"
            modules |= {f"{layer}.{part}": f"{own}.{name}" for part, name in PARTS.items()}
    return modules
