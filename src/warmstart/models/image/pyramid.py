"""Heads on the feature maps of a classification backbone at several strides, and their layers."""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

import keras
from keras import layers

from warmstart.errors import UsageError
from warmstart.models import architecture, family
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import convolution

Head = Callable[[keras.Model, Mapping[str, Any], int], Any]


def backbone_builder(name: str) -> Callable[[Head], Callable[..., keras.Model]]:
    """Decorator that makes the `build` of a family from its head.

    The decorated function takes the backbone, the family's config and the number of classes, and
    returns the outputs of the model, whose name is `name`. `build` takes a config and, by name,
    `include_top`, `input_shape`, `pooling` and `classes`.
    """

    def decorate(head: Head) -> Callable[..., keras.Model]:
        @wraps(head)
        def build(
            config: Mapping[str, Any],
            *,
            include_top: bool = True,
            input_shape: tuple[int, int, int] | None = None,
            pooling: str | None = None,
            classes: int | None = None,
        ) -> keras.Model:
            base = base_of(config, (input_shape or config["input_size"])[:2])
            if include_top:
                outputs = head(base, config, classes or config["classes"])
                return keras.Model(base.input, outputs, name=name)
            return keras.Model(base.input, pooled_top(base.output, pooling)) if pooling else base

        return build

    return decorate


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
    x = convolution(x, None, 3, f"{name}_depthwise", dilation=dilation, same=True)
    x = layers.ReLU(name=f"{name}_depthwise_relu")(norm(x, f"{name}_depthwise_bn"))
    return pointwise(x, width, name)


def pointwise(x: Any, width: int, name: str) -> Any:
    """1x1 convolution, normalised and rectified."""
    x = convolution(x, width, 1, name, initializer="he_normal")
    return layers.ReLU(name=f"{name}_relu")(norm(x, f"{name}_bn"))


def norm(x: Any, name: str) -> Any:
    """Batch normalisation with a short memory: fine-tuning has few batches."""
    return layers.BatchNormalization(momentum=0.95, epsilon=1e-3, name=name)(x)
