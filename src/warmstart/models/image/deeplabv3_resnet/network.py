"""DeepLabV3 and DeepLabV3+ on ResNet, as KerasHub builds them.

Sources: Chen, Papandreou, Schroff, Adam, "Rethinking Atrous Convolution for Semantic Image
Segmentation" (2017), arXiv:1706.05587, and Chen, Zhu, Papandreou, Schroff, Adam, "Encoder-Decoder
with Atrous Separable Convolution for Semantic Image Segmentation" (2018), arXiv:1802.02611.

    map of stride 32 -> pyramid -> larger -> joined with the map of stride 4 -> 1x1 -> classes

KerasHub does not dilate the backbone, and takes plain instead of separable convolutions. It
enlarges the maps to the size of the input before it computes the classes. Both steps are linear and
commute, so the logits here, at the stride of the joined maps, are the same once they are enlarged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.layout import arrays_of, fill
from warmstart.models.image.builder import image_builder
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import convolution
from warmstart.models.image.deeplabv3_resnet import family
from warmstart.models.image.deeplabv3_resnet.family import DeepLabConfig
from warmstart.models.image.resnet.network import stage_maps

HEAD = ("aspp.*", "decoder.*", "head.*", "classifier.*")


@image_builder("deeplabv3_resnet", DeepLabConfig.of, known_size=True)
def build(images: Any, c: DeepLabConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network with random weights.

    Args:
        config: its sizes.
        include_top: whether the pyramid and the head are included.
        input_shape: (H, W, 3), known numbers; default: the config's.
        pooling: without the top: `None` (the map that enters the pyramid), `"avg"` or `"max"`.
        classes: outputs; default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), scaled as the entry says, to logits (B, H/4, W/4,
        classes), or to features.

    Raises:
        UsageError: the config is invalid, or the height or width is unknown or not a multiple
            of the pyramid's stride.
    """
    maps = stage_maps(images, c.resnet)
    deep = layers.Identity(name="deep")(maps[c.pyramid_stage])
    if not include_top:
        return pooled_top(deep, pooling)
    c.check_size(*images.shape[1:3])
    x = layers.UpSampling2D(c.upsampling, interpolation="bilinear", name="larger")(
        _pyramid(deep, c)
    )
    if c.detail_stage is not None:
        details = _conv(maps[c.detail_stage], c.detail_width, "decoder")
        x = layers.Concatenate(name="joined")([x, details])
    x = _conv(x, c.width, "head")
    return layers.Conv2D(c.classes, 1, use_bias=False, dtype="float32", name="classifier")(x)


def _pyramid(x: Any, c: DeepLabConfig) -> Any:
    """Convolutions of several rates and the average of the map, joined; (B, h, w, C) -> (B, h, w,
    width).
    """
    branches = [_conv(x, c.width, "aspp.0")]
    for index, rate in enumerate(c.rates, 1):
        branches.append(_conv(x, c.width, f"aspp.{index}", size=3, dilation=rate))
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp.average")(x)
    pooled = _conv(pooled, c.width, "aspp.pool")
    branches.append(layers.UpSampling2D(x.shape[1:3], name="aspp.spread")(pooled))
    return _conv(layers.Concatenate(name="aspp.joined")(branches), c.width, "aspp.project")


def _conv(x: Any, filters: int, name: str, *, size: int = 1, dilation: int = 1) -> Any:
    """Convolution, normalisation, ReLU."""
    x = convolution(x, filters, size, f"{name}.conv", dilation=dilation, same=True)
    return layers.ReLU()(layers.BatchNormalization(name=f"{name}.bn")(x))


def feature_map(model: keras.Model) -> keras.KerasTensor:
    """The map that enters the pyramid, (B, H/32, W/32, C)."""
    return model.get_layer("deep").output


def load(model: keras.Model, checkpoint: Checkpoint, config: Mapping[str, Any]) -> None:
    """Fill the model from a preset of KerasHub, or from a bundle: all of it, or an error.

    Raises:
        MismatchError: the arrays do not fit the model.
    """
    c = DeepLabConfig.of(config)
    unused = [f"layer{stage + 1}.*" for stage in range(c.pyramid_stage + 1, len(c.resnet.depths))]
    has_head = any(layer.name == "classifier" for layer in model.layers)
    fill(model, checkpoint, family.LAYOUT, ignore=unused if has_head else (*unused, *HEAD))


arrays = arrays_of(family.LAYOUT)
"""The weights, with the backbone's under the names of torchvision and timm."""
