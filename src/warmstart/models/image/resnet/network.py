"""ResNet as PyTorch has it: the stride of a bottleneck in its 3x3 convolution, padding on both sides.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2015), arXiv:1512.03385; the stride in the
3x3 convolution is "version 1.5" of torchvision; three convolutions before the first stage and averaging shortcuts:
He et al., "Bag of Tricks for Image Classification with Convolutional Neural Networks" (2018), arXiv:1812.01187.

| size | block      | depths    | parameters |
|------|------------|-----------|-----------:|
| 18   | basic      | 2 2 2 2   | 11,699,112 |
| 34   | basic      | 3 4 6 3   | 21,814,696 |
| 50   | bottleneck | 3 4 6 3   | 25,610,152 |
| 101  | bottleneck | 3 4 23 3  | 44,654,504 |
| 152  | bottleneck | 3 8 36 3  | 60,344,232 |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill, patterns_of_absent
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import classifier_head, pooled_top
from warmstart.models.image.convolution import convolution, padded
from warmstart.models.image.resnet import family
from warmstart.models.image.resnet.family import ResNetConfig


@image_builder("resnet", ResNetConfig.of)
def build(images: Any, c: ResNetConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network with random weights.

    Args:
        config: its sizes.
        include_top: whether pooling, the dense layer and the softmax are part of it.
        input_shape: (H, W, 3); H and W may be None. Default: the config's.
        pooling: without the top: `None` (a map (B, H/32, W/32, C)), `"avg"` or `"max"`.
        classes: with the top, the number of outputs. Default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), scaled as the entry says, to probabilities
        (B, classes), or to features.

    Raises:
        UsageError: the config is not possible.
    """
    x = pooled_top(stage_maps(images, c)[-1], "avg" if include_top else pooling)
    return classifier_head(x, c.classes, "fc") if include_top else x


def stage_maps(images: Any, c: ResNetConfig) -> list[Any]:
    """The last map of each stage, from (B, H, W, 3): (B, H / 4, W / 4, C), (B, H / 8, W / 8, C), …"""
    x = _stem(images, c)
    x = layers.MaxPooling2D(3, 2, name="maxpool")(padded(x, (1, 1)))  # x is 0 or more
    maps = []
    for stage, depth in enumerate(c.depths):
        for block in range(depth):
            stride = 1 if block else c.stride(stage)
            x = _block(x, c, stage, stride, f"layer{stage + 1}.{block}")
        maps.append(x)
    return maps


def _stem(x: Any, c: ResNetConfig) -> Any:
    """(B, H, W, 3) -> (B, H / 2, W / 2, C)."""
    if len(c.stem) == 1:
        return layers.ReLU()(_norm(_conv(x, c.stem[0], 7, "conv1", stride=2), "bn1"))
    for index, (number, norm) in enumerate((("0", "conv1.1"), ("3", "conv1.4"), ("6", "bn1"))):
        x = _conv(x, c.stem[index], 3, f"conv1.{number}", stride=1 if index else 2)
        x = layers.ReLU()(_norm(x, norm))
    return x


def _block(x: Any, c: ResNetConfig, stage: int, stride: int, name: str) -> Any:
    """relu(F(x) + shortcut(x)); (B, H, W, C) -> (B, H / stride, W / stride, channels)."""
    channels, width = c.channels[stage], c.widths[stage]
    if c.block == "basic":
        steps = [(width, 3, stride), (channels, 3, 1)]
    else:
        first, second = (stride, 1) if c.stride_first else (1, stride)
        steps = [(width, 1, first), (width, 3, second), (channels, 1, 1)]
    y = x
    for number, (filters, kernel, step) in enumerate(steps, 1):
        y = _norm(
            _conv(y, filters, kernel, f"{name}.conv{number}", stride=step), f"{name}.bn{number}"
        )
        y = layers.ReLU()(y) if number < len(steps) else y
    if stride != 1 or x.shape[-1] != channels:
        x = _shortcut(x, c, channels, stride, f"{name}.downsample")
    return layers.ReLU()(layers.Add()([y, x]))


def _shortcut(x: Any, c: ResNetConfig, channels: int, stride: int, name: str) -> Any:
    if not c.pooled_shortcut:
        return _norm(_conv(x, channels, 1, f"{name}.0", stride=stride), f"{name}.1")
    if stride > 1:
        x = layers.AveragePooling2D(2, stride, padding="same")(x)
    return _norm(_conv(x, channels, 1, f"{name}.1"), f"{name}.2")


def _conv(x: Any, filters: int, kernel: int, name: str, *, stride: int = 1) -> Any:
    return convolution(x, filters, kernel, name, stride=stride, initializer="he_normal")


def _norm(x: Any, name: str) -> Any:
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint with the names of torchvision and timm, or of Hugging Face:
    all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    fill(model, checkpoint, family.LAYOUT, ignore=patterns_of_absent(model, "fc"))


arrays = arrays_of(family.LAYOUT)
"""The weights under the names of torchvision and timm."""
