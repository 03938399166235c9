"""EfficientNet and MobileNetV3 as timm has them: padding on both sides, or TensorFlow's.

Sources: Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), arXiv:1905.11946,
table 1; Howard et al., "Searching for MobileNetV3" (2019), arXiv:1905.02244, tables 1 and 2.

| network            | parameters, with moving statistics |
|--------------------|-----------------------------------:|
| EfficientNet-B0    |                          5,330,564 |
| MobileNetV3 large  |                          5,507,432 |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill, patterns_of_absent
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import classifier_head, pooled_top
from warmstart.models.image.convolution import convolution
from warmstart.models.image.efficientnet import family, presets
from warmstart.models.image.efficientnet.config import EfficientNetConfig

DROPOUT = 0.2


@image_builder("efficientnet", EfficientNetConfig.of)
def build(images: Any, c: EfficientNetConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network with random weights.

    Args:
        config: its sizes.
        include_top: whether pooling and the layers after it are part of it.
        input_shape: (H, W, 3); H and W may be None. Default: the config's.
        pooling: without the top: `None` (a map (B, H/32, W/32, C)), `"avg"` or `"max"`.
        classes: with the top, the number of outputs. Default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), scaled as the entry says, to probabilities
        (B, classes), or to features.

    Raises:
        UsageError: the config is not possible.
    """
    x = _conv(images, c, c.stem, 3, "conv_stem", stride=2)
    x = _norm(x, c, "bn1", c.activation)
    for stage, blocks in enumerate(c.stages):
        for index, block in enumerate(blocks):
            x = _block(x, c, block, f"blocks.{stage}.{index}")
    if c.mobile:
        name = f"blocks.{len(c.stages)}.0"
        x = _norm(_conv(x, c, c.top, 1, f"{name}.conv"), c, f"{name}.bn1", c.activation)
    else:
        x = _norm(_conv(x, c, c.top, 1, "conv_head"), c, "bn2", c.activation)
    if not include_top or not c.classes:
        return pooled_top(x, "avg" if include_top else pooling)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    if c.mobile:
        x = layers.Conv2D(c.hidden, 1, activation=c.activation, name="conv_head")(x)
    x = layers.Dropout(DROPOUT, seed=0)(layers.Flatten(name="flatten")(x))
    return classifier_head(x, c.classes, "classifier")


def _block(x: Any, c: EfficientNetConfig, block: tuple[Any, ...], name: str) -> Any:
    """Widen, filter each channel, weigh the channels, narrow; the input is added if shapes
    allow. (B, H, W, C).
    """
    kernel, stride, width, channels, squeeze, activation = block
    y = x
    if width:
        y = _norm(_conv(y, c, width, 1, f"{name}.conv_pw"), c, f"{name}.bn1", activation)
    y = _conv(y, c, None, kernel, f"{name}.conv_dw", stride=stride)
    y = _norm(y, c, f"{name}.{'bn2' if width else 'bn1'}", activation)
    if squeeze:
        y = _excited(y, c, squeeze, f"{name}.se")
    y = _conv(y, c, channels, 1, f"{name}.{'conv_pwl' if width else 'conv_pw'}")
    y = _norm(y, c, f"{name}.{'bn3' if width else 'bn2'}")
    return layers.Add()([x, y]) if stride == 1 and x.shape[-1] == channels else y


def _excited(x: Any, c: EfficientNetConfig, squeeze: int, name: str) -> Any:
    """Every channel times a weight that depends on the means of all channels."""
    inner, gate = ("relu", "hard_sigmoid") if c.mobile else (c.activation, "sigmoid")
    y = layers.GlobalAveragePooling2D(keepdims=True)(x)
    y = layers.Conv2D(squeeze, 1, activation=inner, name=f"{name}.conv_reduce")(y)
    y = layers.Conv2D(x.shape[-1], 1, activation=gate, name=f"{name}.conv_expand")(y)
    return layers.Multiply()([x, y])


def _conv(
    x: Any, c: EfficientNetConfig, filters: int | None, kernel: int, name: str, *, stride: int = 1
) -> Any:
    initializer = "glorot_uniform" if filters is None else "he_normal"
    return convolution(
        x, filters, kernel, name, stride=stride, same=c.same, initializer=initializer
    )


def _norm(x: Any, c: EfficientNetConfig, name: str, activation: str | None = None) -> Any:
    x = layers.BatchNormalization(epsilon=c.epsilon, momentum=0.9, name=name)(x)
    return layers.Activation(activation)(x) if activation else x


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the names of timm, or from a preset of KerasHub: all of
    it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    c = EfficientNetConfig.of(config)
    layout = replace(family.LAYOUT, keras_hub=partial(presets.arrays, config=c))
    ignore = patterns_of_absent(model, "classifier", "conv_head")
    fill(model, checkpoint, layout, ignore=ignore)


arrays = arrays_of(family.LAYOUT)
"""The weights under the names of timm."""
