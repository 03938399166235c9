"""EfficientNet-Lite: EfficientNet without squeeze-and-excitation and with ReLU6, for processors of phones.

Sources: Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), arXiv:1905.11946,
table 1; the Lite variants of 2020 (tensorflow/tpu, models/official/efficientnet/lite): no squeeze-and-excitation,
ReLU6 instead of swish, the stem, the head, the first and the last stage not scaled.

| variant | width | depth | input | dropout | parameters |
|---------|------:|------:|------:|--------:|-----------:|
| lite0   |   1.0 |   1.0 |   224 |     0.2 |  4,694,024 |
| lite1   |   1.0 |   1.1 |   240 |     0.2 |  5,470,344 |
| lite2   |   1.1 |   1.2 |   260 |     0.3 |  6,150,168 |
| lite3   |   1.2 |   1.4 |   280 |     0.3 |  8,273,768 |
| lite4   |   1.4 |   1.8 |   300 |     0.3 | 13,118,936 |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.folded import fill_folded
from warmstart.checkpoints.layout import arrays_of, fill, load_by_name
from warmstart.checkpoints.tflite import TFLiteCheckpoint
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import convolution
from warmstart.models.image.efficientnet_lite import family
from warmstart.models.image.efficientnet_lite.family import STAGES, EfficientNetLiteConfig, Stage
from warmstart.models.image.repository import divisible

EPSILON, MOMENTUM = 1e-3, 0.99
STEM, TOP = 32, 1280


@image_builder("efficientnet_lite", EfficientNetLiteConfig.of)
def build(images: Any, c: EfficientNetLiteConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network with random weights.

    Args:
        config: its sizes.
        include_top: whether pooling, dropout, the dense layer and the softmax are part of it.
        input_shape: (H, W, 3); H and W may be None. Default: the config's square image.
        pooling: without the top: `None` (a map (B, H/32, W/32, 1280)), `"avg"` or `"max"`.
        classes: with the top, the number of outputs. Default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), (x - 127) / 128 of RGB pixels 0..255, to
        probabilities (B, classes), or to features.

    Raises:
        UsageError: the config is not possible.
    """
    x = _conv_norm(images, "stem", STEM, 3, stride=2)
    index = 0
    for stage, blocks in zip(STAGES, c.blocks, strict=True):
        for block in range(blocks):
            x = _block(
                x,
                f"block{index}",
                stage,
                divisible(stage.channels * c.width),
                stride=1 if block else stage.stride,
            )
            index += 1
    x = _conv_norm(x, "top", TOP)
    x = pooled_top(x, "avg" if include_top else pooling)
    if include_top:
        x = layers.Dropout(c.dropout, seed=0, name="dropout")(x)
        x = layers.Dense(c.classes, activation="softmax", dtype="float32", name="predictions")(x)
    return x


def _block(x: Any, name: str, stage: Stage, channels: int, *, stride: int) -> Any:
    """Widen, filter each channel, narrow; the input is added if shapes allow. (B, H, W, C)."""
    before = x.shape[-1]
    y = x
    if stage.expansion > 1:
        y = _conv_norm(y, f"{name}_expand", before * stage.expansion)
    y = _conv_norm(y, f"{name}_depthwise", None, stage.kernel, stride=stride)
    y = _conv_norm(y, f"{name}_project", channels, activate=False)
    if stride == 1 and before == channels:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _conv_norm(
    x: Any,
    name: str,
    filters: int | None,
    kernel: int = 1,
    *,
    stride: int = 1,
    activate: bool = True,
) -> Any:
    """Convolution (depthwise if `filters` is None), batch normalisation and ReLU6."""
    x = convolution(
        x, filters, kernel, f"{name}_conv", stride=stride, same=True, initializer="he_normal"
    )
    x = layers.BatchNormalization(epsilon=EPSILON, momentum=MOMENTUM, name=f"{name}_norm")(x)
    return layers.ReLU(6.0, name=f"{name}_relu")(x) if activate else x


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint in a published layout, from a `.tflite` file, or from one
    that Keras wrote: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    if isinstance(checkpoint, TFLiteCheckpoint):
        fill_folded(model, checkpoint)
        return
    if checkpoint.layout.startswith("keras"):
        load_by_name(model, checkpoint, config)
        return
    has_top = any(layer.name == "predictions" for layer in model.layers)
    layout = family.LAYOUT.with_aliases(family.timm_names(EfficientNetLiteConfig.of(config)))
    fill(model, checkpoint, layout, ignore=() if has_top else ("_fc.*",))


arrays = arrays_of(family.LAYOUT)
"""The weights in the published layout."""
