"""DeepLabV3 on MobileNetV2 as Google published it: dilated instead of ever smaller maps, and a
small pooling head.

Sources: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks" (2018), section 6.3 (no atrous pyramid: a 1x1 convolution and image pooling); Chen,
Zhu, Papandreou, Schroff, Adam (2018), arXiv:1802.02611. The checkpoint layout is that of
transformers' MobileNetV2ForSemanticSegmentation.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.folded import fill_folded
from warmstart.checkpoints.layout import arrays_of, fill, patterns_of_absent
from warmstart.checkpoints.tflite import TFLiteCheckpoint
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import convolution
from warmstart.models.image.deeplabv3_mobilenet_v2 import family
from warmstart.models.image.deeplabv3_mobilenet_v2.family import MobileNetV2Config

CHANNELS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
STRIDES = (2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1)
HEAD, HEAD_WIDTH, HEAD_EPSILON = "segmentation_head", 256, 1e-5


@image_builder("deeplabv3_mobilenet_v2", MobileNetV2Config.of, known_size=True)
def build(images: Any, c: MobileNetV2Config, include_top: bool, pooling: str | None) -> Any:
    """Build the network.

    Args:
        config: its sizes.
        include_top: whether the segmentation head is part of it.
        input_shape: (H, W, 3), known numbers; default: the config's.
        pooling: without the top: `None` (the last map), `"avg"` or `"max"`.
        classes: outputs; default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3) in -1..1 to logits (B, H / output_stride, W /
        output_stride, classes), rounded up, or to features.

    Raises:
        UsageError: the config is not possible, or the height or width is unknown.
    """
    x = _stem(images, c)
    stride, dilation = 2, 1
    for block, step in enumerate(STRIDES):
        if stride == c.output_stride:  # the larger dilation starts in the next block
            x = _inverted_residual(x, c, block, 1, dilation)
            dilation *= step
        else:
            x = _inverted_residual(x, c, block, step, 1)
            stride *= step
    return _head(x, c) if include_top else pooled_top(x, pooling)


def _conv(
    x: Any,
    c: MobileNetV2Config,
    name: str,
    filters: int | None,
    size: int = 1,
    *,
    stride: int = 1,
    dilation: int = 1,
    activation: str | None = "",
    epsilon: float | None = None,
) -> Any:
    """Convolution (depthwise if `filters` is None), normalisation and activation ("": the
    config's).
    """
    x = convolution(
        x,
        filters,
        size,
        f"{name}.convolution",
        stride=stride,
        dilation=dilation,
        same=c.tf_padding,
    )
    x = layers.BatchNormalization(
        epsilon=epsilon or c.layer_norm_eps, momentum=0.997, name=f"{name}.normalization"
    )(x)
    return x if activation is None else layers.Activation(activation or c.hidden_act)(x)


def _stem(x: Any, c: MobileNetV2Config) -> Any:
    name, width = "mobilenet_v2.conv_stem", c.channels(32)
    x = _conv(x, c, f"{name}.first_conv", width, 3, stride=2)
    if not c.first_layer_is_expansion:
        x = _conv(x, c, f"{name}.expand_1x1", width)
    x = _conv(x, c, f"{name}.conv_3x3", None, 3)
    return _conv(x, c, f"{name}.reduce_1x1", c.channels(CHANNELS[0]), activation=None)


def _inverted_residual(x: Any, c: MobileNetV2Config, block: int, stride: int, dilation: int) -> Any:
    """Widen, filter each channel, narrow; the input is added if shapes allow."""
    name, before, after = (
        f"mobilenet_v2.layer.{block}",
        c.channels(CHANNELS[block]),
        c.channels(CHANNELS[block + 1]),
    )
    y = _conv(x, c, f"{name}.expand_1x1", c.divisible(round(before * c.expand_ratio)))
    y = _conv(y, c, f"{name}.conv_3x3", None, 3, stride=stride, dilation=dilation)
    y = _conv(y, c, f"{name}.reduce_1x1", after, activation=None)
    return (
        layers.Add(name=f"{name}.add")([x, y])
        if stride == 1 and before == after
        else layers.Identity(name=f"{name}.add")(y)
    )


def _head(x: Any, c: MobileNetV2Config) -> Any:
    """The picture's average joined to every pixel's features, then two 1x1 convolutions."""

    def conv(t: Any, name: str) -> Any:
        return _conv(t, c, f"{HEAD}.{name}", HEAD_WIDTH, activation="relu", epsilon=HEAD_EPSILON)

    pooled = conv(layers.GlobalAveragePooling2D(keepdims=True, name="image_pool")(x), "conv_pool")
    pooled = layers.UpSampling2D(x.shape[1:3], name="image_spread")(pooled)
    x = layers.Concatenate(name="head_concat")([pooled, conv(x, "conv_aspp")])
    x = layers.SpatialDropout2D(c.dropout, seed=0)(conv(x, "conv_projection"))
    return layers.Conv2D(c.classes, 1, dtype="float32", name=f"{HEAD}.classifier.convolution")(x)


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """The last map of the backbone."""
    return model.get_layer(f"mobilenet_v2.layer.{len(STRIDES) - 1}.add").output


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a checkpoint in Hugging Face layout, or from the published `.tflite`
    file: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    if isinstance(checkpoint, TFLiteCheckpoint):
        fill_folded(model, checkpoint)
        return
    ignore = (*family.UNUSED, *patterns_of_absent(model, HEAD))
    fill(model, checkpoint, family.LAYOUT, ignore=ignore)


arrays = arrays_of(family.LAYOUT)
"""The weights in Hugging Face layout; without the layer that segmentation does not run."""
