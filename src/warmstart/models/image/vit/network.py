"""Vision Transformers: an image as a sequence of patches, in ViT, DeiT and DINOv2.

Sources: Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale" (2020),
arXiv:2010.11929; the distillation token: Touvron et al., "Training data-efficient image transformers & distillation
through attention" (2020), arXiv:2012.12877; the layer scale: Touvron et al., "Going deeper with Image Transformers"
(2021), arXiv:2103.17239, and "DeiT III" (2022), arXiv:2204.07118; DINOv2: Oquab et al. (2023), arXiv:2304.07193;
registers: Darcet et al., "Vision Transformers Need Registers" (2023), arXiv:2309.16588.

| size  | depth | width | heads | hidden | parameters (patch 16, 224x224, 1000 classes) |
|-------|------:|------:|------:|-------:|---------------------------------------------:|
| tiny  |    12 |   192 |     3 |    768 |                                    5,717,416 |
| small |    12 |   384 |     6 |   1536 |                                   22,050,664 |
| base  |    12 |   768 |    12 |   3072 |                                   86,567,656 |
| large |    24 |  1024 |    16 |   4096 |                                  304,326,632 |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.features import FEATURES
from warmstart.models.image.scale import Scale
from warmstart.models.image.vit import family, weights
from warmstart.models.image.vit.config import ViTConfig

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "gelu": partial(ops.gelu, approximate=False),
    "gelu_tanh": partial(ops.gelu, approximate=True),
    "quick_gelu": lambda x: x * ops.sigmoid(1.702 * x),
    "relu": ops.relu,
    "silu": ops.silu,
}
NORMAL = keras.initializers.TruncatedNormal(stddev=0.02)


@keras.saving.register_keras_serializable("warmstart")
class Tokens(layers.Layer):
    """Patches (B, N, D) -> tokens (B, P + N, D): those of the class, of distillation and of the
    registers before them, and position embeddings added.
    """

    def __init__(
        self, classes: int, distillation: int, registers: int, embedded: int, **options: Any
    ):
        super().__init__(**options)
        self.counts = {"classes": classes, "distillation": distillation, "registers": registers}
        self.embedded = embedded

    def build(self, shape: tuple[int | None, ...]) -> None:
        count, width = shape[1:]
        assert count is not None
        self.prefix = [
            self.add_weight(shape=(1, number, width), initializer=NORMAL, name=name)
            for name, number in zip(
                ("cls_token", "dist_token", "reg_token"), self.counts.values(), strict=True
            )
            if number
        ]
        self.positions = self.add_weight(
            shape=(1, self.embedded + count, width), initializer=NORMAL, name="pos_embed"
        )

    def call(self, x: Any) -> Any:
        prefix = sum(self.counts.values())
        positions = ops.convert_to_tensor(self.positions)
        added = ops.zeros((1, prefix - self.embedded, x.shape[-1]), x.dtype)
        positions = ops.concatenate(
            [positions[:, : self.embedded], added, positions[:, self.embedded :]], axis=1
        )
        patches = ops.zeros((1, x.shape[1], x.shape[-1]), x.dtype)
        tokens = ops.concatenate([*map(ops.convert_to_tensor, self.prefix), patches], axis=1)
        return ops.pad(x, ((0, 0), (prefix, 0), (0, 0))) + (tokens + positions)

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        prefix = sum(self.counts.values())
        return keras.KerasTensor((x.shape[0], prefix + x.shape[1], x.shape[2]), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.counts, "embedded": self.embedded}


@image_builder("vit", ViTConfig.of, known_size=True)
def build(images: Any, c: ViTConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network with random weights.

    Args:
        config: its sizes.
        include_top: whether the head is part of it.
        input_shape: (H, W, 3), H and W known and multiples of the patch; default: the config's.
        pooling: without the top: `None`, the patches as a map (B, h, w, D); `"avg"`, what the head
            takes (see `ViTConfig.pool`); `"max"`, the maximum of the patches.
        classes: with the top, the number of outputs. Default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), scaled as the entry says, to probabilities
        (B, classes), or to features.

    Raises:
        UsageError: the config is not possible, or the height or width is unknown.
    """
    c = replace(c, input_size=images.shape[1:3])
    x = layers.Conv2D(c.width, c.patch, c.patch, use_bias=c.patch_bias, name="patch_embed.proj")(
        images
    )
    x = ops.reshape(x, (-1, c.grid[0] * c.grid[1], c.width))
    counts = int(c.class_token), int(c.distillation_token), c.registers
    x = Tokens(*counts, c.embedded_prefix, name="tokens")(x)
    if c.norm_before:
        x = _norm(x, c, "norm_pre")
    for index in range(c.depth):
        x = _block(x, c, f"blocks.{index}")
    if c.norm:
        x = _norm(x, c, "norm")
    if include_top or pooling == "avg":
        x = layers.Identity(name=FEATURES)(_pooled(x, c))
        return _head(x, c) if include_top and c.classes else x
    return pooled_top(ops.reshape(x[:, c.prefix :], (-1, *c.grid, c.width)), pooling)


def _dense(x: Any, width: int, name: str, *, bias: bool = True) -> Any:
    return layers.Dense(width, use_bias=bias, kernel_initializer=NORMAL, name=name)(x)


def _norm(x: Any, c: ViTConfig, name: str) -> Any:
    return layers.LayerNormalization(epsilon=c.epsilon, name=name)(x)


def _block(x: Any, c: ViTConfig, name: str) -> Any:
    """x + attention(norm(x)), then x + mlp(norm(x)); x: (B, T, D)."""
    y = _attention(_norm(x, c, f"{name}.norm1"), c, f"{name}.attn")
    x = x + (Scale(name=f"{name}.ls1")(y) if c.layer_scale else y)
    y = _mlp(_norm(x, c, f"{name}.norm2"), c, f"{name}.mlp")
    return x + (Scale(name=f"{name}.ls2")(y) if c.layer_scale else y)


def _attention(x: Any, c: ViTConfig, name: str) -> Any:
    """Self-attention of several heads; x: (B, T, D)."""
    length, size = x.shape[1], c.width // c.heads

    def split(index: int) -> Any:  # (B, T, 3 D) -> (B, H, T, D / H)
        part = joined[:, :, index * c.width : (index + 1) * c.width]
        return ops.transpose(ops.reshape(part, (-1, length, c.heads, size)), (0, 2, 1, 3))

    joined = _dense(x, 3 * c.width, f"{name}.qkv", bias=c.query_bias)
    query, key, value = split(0) * size**-0.5, split(1), split(2)
    weights = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))))
    mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
    return _dense(ops.reshape(mixed, (-1, length, c.width)), c.width, f"{name}.proj")


def _mlp(x: Any, c: ViTConfig, name: str) -> Any:
    """Two linear layers; with SwiGLU (Shazeer 2020, arXiv:2002.05202) the first one twice as wide,
    half of it a gate.
    """
    activate = ACTIVATIONS[c.activation]
    if c.mlp == "mlp":
        return _dense(activate(_dense(x, c.hidden, f"{name}.fc1")), c.width, f"{name}.fc2")
    both = _dense(x, 2 * c.hidden, f"{name}.fc1")
    gated = activate(both[:, :, : c.hidden]) * both[:, :, c.hidden :]
    return _dense(gated, c.width, f"{name}.fc2")


def _pooled(x: Any, c: ViTConfig) -> Any:
    """Tokens (B, T, D) -> the head's input, (B, D) or (B, 2 D)."""
    if c.pool == "tokens":
        x = ops.reshape(x[:, :2], (-1, 2 * c.width))
    elif c.pool == "token":
        x = x[:, 0]
    else:
        mean = ops.mean(x[:, c.prefix :], axis=1)
        x = mean if c.pool == "avg" else ops.concatenate([x[:, 0], mean], axis=-1)
    return _norm(x, c, "fc_norm") if c.pool_norm else x


def _head(x: Any, c: ViTConfig) -> Any:
    """Features (B, D) -> probabilities (B, classes)."""
    if c.pool == "tokens":
        first = _dense(x[:, : c.width], c.classes, "head")
        x = (first + _dense(x[:, c.width :], c.classes, "head_dist")) * 0.5
    else:
        x = _dense(x, c.classes, "head")
    return layers.Activation("softmax", dtype="float32", name="probabilities")(x)


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the names of timm or of Hugging Face: all of it, or an
    error. Position embeddings of another grid are resized.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    c = ViTConfig.of(config)
    height, width = model.inputs[0].shape[1:3]
    own = weights.timm_names(checkpoint, c)
    resized = weights.resized_positions(own, c, (height // c.patch, width // c.patch))
    has_head = any(layer.name == "head" for layer in model.layers)
    pooled = any(layer.name == FEATURES for layer in model.layers)
    ignore = (*(() if has_head else ("head.*", "head_dist.*")), *(() if pooled else ("fc_norm.*",)))
    fill(model, resized, family.LAYOUT, ignore=ignore)


arrays = arrays_of(family.LAYOUT)
"""The weights under the names of timm."""
