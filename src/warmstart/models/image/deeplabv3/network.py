"""DeepLabV3+ on any classification backbone of the catalogue, for transfer learning.

Source: Chen, Zhu, Papandreou, Schroff, Adam, "Encoder-Decoder with Atrous Separable Convolution for
Semantic Image Segmentation" (2018), arXiv:1802.02611: an atrous spatial pyramid, and a decoder that
adds the details of the map of stride 4. The paper dilates the backbone's last stages; here the
backbone stays as it was trained, and its maps of strides 16 and 32 enter the pyramid together.
Google's own MobileNetV2 checkpoint is `deeplabv3_mobilenet_v2`.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.layout import load_by_name
from warmstart.models.image.pyramid import backbone_builder, larger, pointwise, separable, taps

RATES = (2, 4, 6)
DETAIL_WIDTH = 24


@backbone_builder("deeplabv3")
def build(base: keras.Model, config: Mapping[str, Any], classes: int) -> Any:
    """Build the network.

    Args:
        config: `base` (architecture and config of the backbone), `classes`, `input_size` (H, W),
            `width` (default 96), `rates` of the atrous convolutions (default 2, 4, 6), `dropout`
            (default 0.1).
        include_top: False gives the backbone.
        input_shape: (H, W, 3); default: the config's.
        pooling: without the top, as the backbone takes it.
        classes: default: the config's.

    Returns:
        A `keras.Model` from pictures as the backbone takes them to logits (B, H/4, W/4, classes).

    Raises:
        UsageError: the backbone has no maps of strides 4, 16 and 32.
    """
    width = config.get("width", 96)
    maps = taps(base, (4, 16, 32))
    deep = larger(pointwise(maps[32], width, "deep"), maps[16])
    x = layers.Concatenate(name="encoded")([pointwise(maps[16], width, "middle"), deep])
    branches = [pointwise(x, width, "aspp_point")]
    branches += [
        separable(x, width, f"aspp_rate_{rate}", dilation=rate)
        for rate in config.get("rates", RATES)
    ]
    pooled = pointwise(
        layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(x), width, "aspp_pooled"
    )
    branches.append(layers.UpSampling2D(x.shape[1:3], name="aspp_spread")(pooled))
    x = pointwise(layers.Concatenate(name="aspp_concat")(branches), width, "aspp_out")
    x = layers.Dropout(config.get("dropout", 0.1), seed=0, name="aspp_dropout")(x)
    details = pointwise(maps[4], DETAIL_WIDTH, "details")
    x = layers.Concatenate(name="decoder_concat")([larger(x, details), details])
    for step in (1, 2):
        x = separable(x, width, f"decoder_{step}")
    return layers.Conv2D(classes, 1, dtype="float32", name="segmentation_logits")(x)


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """The backbone's last map."""
    return model.get_layer("deep").input


load = load_by_name
