"""ConvNeXt: depthwise 7x7 convolutions in the blocks of a transformer, as PyTorch has it.

Sources: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s" (2022), arXiv:2201.03545; response
normalisation: Woo et al., "ConvNeXt V2" (2023), arXiv:2301.00808, section 3.

| size   | depths    | widths              | parameters  |
|--------|-----------|---------------------|------------:|
| tiny   | 3 3 9 3   | 96 192 384 768      |  28,589,128 |
| small  | 3 3 27 3  | 96 192 384 768      |  50,223,688 |
| base   | 3 3 27 3  | 128 256 512 1024    |  88,591,464 |
| large  | 3 3 27 3  | 192 384 768 1536    | 197,767,336 |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.derived import Derived, DerivedCheckpoint
from warmstart.checkpoints.layout import arrays_of, fill, patterns_of_absent
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import classifier_head, pooled_top
from warmstart.models.image.convnext import family
from warmstart.models.image.convnext.family import ConvNeXtConfig
from warmstart.models.image.scale import Scale


@keras.saving.register_keras_serializable("warmstart")
class ResponseNorm(layers.Layer):
    """Global response normalisation of (B, H, W, C): channels compete by the norms of their maps."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.weight = self.add_weight(shape=(shape[-1],), initializer="zeros", name="gamma")
        self.bias = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

    def call(self, x: Any) -> Any:
        norms = ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True))  # (B, 1, 1, C)
        shares = norms / (ops.mean(norms, axis=-1, keepdims=True) + 1e-6)
        return x + x * shares * self.weight + self.bias

    def compute_output_spec(self, x: Any) -> keras.KerasTensor:
        return keras.KerasTensor(x.shape, self.compute_dtype)


@image_builder("convnext", ConvNeXtConfig.of)
def build(images: Any, c: ConvNeXtConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network with random weights.

    Args:
        config: its sizes.
        include_top: whether pooling, the dense layer and the softmax are part of it.
        input_shape: (H, W, 3); H and W may be None. Default: the config's.
        pooling: without the top: `None` (a map (B, H/32, W/32, C)), `"avg"` (normalised) or
            `"max"`.
        classes: with the top, the number of outputs. Default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), scaled as the entry says, to probabilities
        (B, classes), or to features.

    Raises:
        UsageError: the config is not possible.
    """
    x = layers.Conv2D(c.widths[0], c.patch, c.patch, name="stem.0")(images)
    x = _norm(x, c, "stem.1")
    for stage, depth in enumerate(c.depths):
        if stage:
            x = _norm(x, c, f"stages.{stage}.downsample.0")
            x = layers.Conv2D(c.widths[stage], 2, 2, name=f"stages.{stage}.downsample.1")(x)
        for block in range(depth):
            x = _block(x, c, f"stages.{stage}.blocks.{block}")
    x = pooled_top(x, "avg" if include_top else pooling)
    if include_top or pooling == "avg":
        x = layers.LayerNormalization(epsilon=c.head_epsilon, name="head.norm")(x)
    if include_top:
        x = classifier_head(x, c.classes, "head.fc")
    return x


def _norm(x: Any, c: ConvNeXtConfig, name: str) -> Any:
    return layers.LayerNormalization(epsilon=c.epsilon, name=name)(x)


def _block(x: Any, c: ConvNeXtConfig, name: str) -> Any:
    """x + F(x); (B, H, W, C)."""
    width = x.shape[-1]
    y = layers.DepthwiseConv2D(7, padding="same", name=f"{name}.conv_dw")(x)
    y = _norm(y, c, f"{name}.norm")
    y = ops.gelu(layers.Dense(4 * width, name=f"{name}.mlp.fc1")(y), approximate=False)
    if c.response_norm:
        y = ResponseNorm(name=f"{name}.mlp.grn")(y)
    y = layers.Dense(width, name=f"{name}.mlp.fc2")(y)
    if c.layer_scale:
        y = Scale(1e-6, name=f"{name}.scale")(y)
    return layers.Add()([x, y])


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the names of timm or of Hugging Face: all of it, or an
    error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    ignore = patterns_of_absent(model, "head.fc", "head.norm")
    fill(model, _flattened(checkpoint), family.LAYOUT, ignore=ignore)


def _flattened(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint; arrays that some files store as 1x1 convolutions or maps are reshaped."""
    derived = {}
    for name in checkpoint.names():
        shape = checkpoint.shape(name)
        if ".mlp.fc" in name and shape[2:] == (1, 1):
            derived[name] = Derived((name,), shape[:2], _squeezed)
        elif ".grn." in name and len(shape) == 4:
            derived[name] = Derived((name,), shape[-1:], _squeezed)
    return DerivedCheckpoint(checkpoint, derived)


def _squeezed(array: np.ndarray) -> np.ndarray:
    return array[:, :, 0, 0] if array.shape[2:] == (1, 1) else array[0, 0, 0]


arrays = arrays_of(family.LAYOUT)
"""The weights under the names of timm."""
