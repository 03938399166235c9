"""PP-HGNetV2: convolutions whose blocks aggregate the outputs of all their layers; the backbone of
D-FINE.

Source: PaddleClas, PP-HGNetV2 (2023); Peng, Li, Wu, Zhang, Sun, Wu, "D-FINE" (2024),
arXiv:2410.13842, which adds a learnable scale and bias after activations. Names are those of
transformers' HGNetV2Backbone.
"""

from collections.abc import Mapping
from typing import Any

from keras import layers, ops

from warmstart.models.image.convolution import convolution, padded


class LearnableAffine(layers.Layer):
    """scale * x + bias, one number each (the "lab" of the reference)."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.scale = self.add_weight(shape=(1,), initializer="ones", name="scale")
        self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")

    def call(self, x: Any) -> Any:
        return self.scale * x + self.bias


def conv_layer(
    x: Any,
    filters: int | None,
    size: int,
    name: str,
    *,
    stride: int = 1,
    activation: str | None = "relu",
    affine: bool = False,
) -> Any:
    """Convolution (depthwise if `filters` is None), normalisation, activation and the learnable
    affine.
    """
    x = convolution(x, filters, size, f"{name}.convolution", stride=stride)
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}.normalization")(x)
    if activation is None:
        return x
    x = layers.Activation(activation)(x)
    return LearnableAffine(name=f"{name}.lab")(x) if affine else x


def backbone(images: Any, c: Mapping[str, Any], name: str) -> list[Any]:
    """Feature maps of the stages named in `out_indices` (1 is the first stage).

    Args:
        images: (B, H, W, 3).
        c: the keys of the reference's `backbone_config`.
        name: the prefix of the layers' names.
    """
    x = _stem(images, c, f"{name}.embedder")
    maps = [x]
    for stage in range(len(c["stage_in_channels"])):
        x = _stage(x, c, stage, f"{name}.encoder.stages.{stage}")
        maps.append(x)
    return [maps[index] for index in c["out_indices"]]


def _stem(x: Any, c: Mapping[str, Any], name: str) -> Any:
    _, middle, out = c["stem_channels"]
    strides, affine, act = c["stem_strides"], c["use_learnable_affine_block"], c["hidden_act"]

    def conv(t: Any, filters: int, size: int, step: int, part: str) -> Any:
        return conv_layer(
            t, filters, size, f"{name}.{part}", stride=strides[step], activation=act, affine=affine
        )

    x = padded(conv(x, middle, 3, 0, "stem1"), (0, 0), (1, 1))
    y = padded(conv(x, middle // 2, 2, 1, "stem2a"), (0, 0), (1, 1))
    y = conv(y, middle, 2, 2, "stem2b")
    x = ops.concatenate([layers.MaxPooling2D(2, 1)(x), y], axis=-1)
    return conv(conv(x, middle, 3, 3, "stem3"), out, 1, 4, "stem4")


def _stage(x: Any, c: Mapping[str, Any], stage: int, name: str) -> Any:
    def of(key: str) -> Any:
        return c[f"stage_{key}"][stage]

    affine = c["use_learnable_affine_block"]
    if of("downsample"):
        x = conv_layer(
            x,
            None,
            3,
            f"{name}.downsample",
            stride=of("downsample_strides"),
            activation=None,
        )
    for block in range(of("num_blocks")):
        x = _block(
            x,
            of("mid_channels"),
            of("out_channels"),
            of("numb_of_layers"),
            of("kernel_size"),
            of("light_block"),
            affine,
            f"{name}.blocks.{block}",
            residual=block > 0,
        )
    return x


def _block(
    x: Any,
    middle: int,
    out: int,
    count: int,
    size: int,
    light: bool,
    affine: bool,
    name: str,
    *,
    residual: bool,
) -> Any:
    """All layers' outputs side by side, squeezed and widened by 1x1 convolutions."""
    outputs = [x]
    for layer in range(count):
        part = f"{name}.layers.{layer}"
        y = outputs[-1]
        if light:
            y = conv_layer(y, middle, 1, f"{part}.conv1", activation=None)
            y = conv_layer(y, None, size, f"{part}.conv2", affine=affine)
        else:
            y = conv_layer(y, middle, size, part, affine=affine)
        outputs.append(y)
    y = ops.concatenate(outputs, axis=-1)
    y = conv_layer(y, out // 2, 1, f"{name}.aggregation.0", affine=affine)
    y = conv_layer(y, out, 1, f"{name}.aggregation.1", affine=affine)
    return layers.Add()([y, x]) if residual else y
