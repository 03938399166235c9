"""Feature maps of a classification backbone at several strides, and the layers that heads on them
share.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from warmstart.errors import UsageError
from warmstart.models import architecture, family


def base_of(config: Mapping[str, Any], size: Sequence[int]) -> keras.Model:
    """The backbone of a config's `base` (`architecture` and `config`, as an entry has them),
    without its top.

    Raises:
        UsageError: it is not a classification backbone.
    """
    base = config["base"]
    if not getattr(family(base["architecture"]), "BACKBONE", False):
        raise UsageError(f"{base['architecture']} is not a classification backbone.")
    return architecture(base["architecture"]).build(
        base["config"], include_top=False, input_shape=(*size, 3)
    )


def taps(base: keras.Model, strides: Sequence[int]) -> dict[int, keras.KerasTensor]:
    """The last map of each stride: (B, ceil(H / stride), ceil(W / stride), C).

    Raises:
        UsageError: the backbone has no map of some stride.
    """
    _, height, width, _ = base.input.shape
    strides_by_size = {(-(-height // stride), -(-width // stride)): stride for stride in strides}
    maps: dict[int, keras.KerasTensor] = {}
    for layer in base.layers:
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4 and tuple(shape[1:3]) in strides_by_size:
            maps[strides_by_size[tuple(shape[1:3])]] = layer.output
    if missing := [stride for stride in strides if stride not in maps]:
        raise UsageError(
            f"The backbone {base.name} has no feature map of stride {missing[0]} for an "
            f"input of {width}x{height}; choose another backbone or size."
        )
    return maps


def larger(x: Any, like: Any) -> Any:
    """x (B, h, w, C) at the height and width of `like`, bilinear."""
    return keras.ops.image.resize(x, like.shape[1:3], interpolation="bilinear")


def separable(x: Any, width: int, name: str, *, dilation: int = 1) -> Any:
    """Depthwise 3x3, then 1x1, each normalised and rectified (Chen et al. 2018, section 3.1)."""
    x = layers.DepthwiseConv2D(
        3, padding="same", dilation_rate=dilation, use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(norm(x, f"{name}_depthwise_bn"))
    return pointwise(x, width, name)


def pointwise(x: Any, width: int, name: str) -> Any:
    """1x1 convolution, normalised and rectified."""
    x = layers.Conv2D(width, 1, use_bias=False, kernel_initializer="he_normal", name=name)(x)
    return layers.ReLU(name=f"{name}_relu")(norm(x, f"{name}_bn"))


def norm(x: Any, name: str) -> Any:
    """Batch normalisation with a short memory: fine-tuning has few batches."""
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-3, name=name)(x)
