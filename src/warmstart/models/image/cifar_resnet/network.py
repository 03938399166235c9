"""ResNet for 32x32 images, as He et al. train it on CIFAR-10.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition" (2015), section 4.2:
a 3x3 convolution, three stages of n residual blocks with 16, 32 and 64 filters, global average
pooling and a dense softmax; depth 6n + 2; parameter-free shortcuts (option A of section 3.3).

| depth | n | parameters |
|------:|--:|-----------:|
|    20 | 3 |    271,098 |
|    32 | 5 |    466,426 |
|    56 | 9 |    857,082 |
"""

from typing import Any

from keras import layers, ops

from warmstart.checkpoints.layout import load_by_name
from warmstart.models.image.builder import image_builder
from warmstart.models.image.cifar_resnet.family import CifarResNetConfig
from warmstart.models.image.classifier_head import pooled_top
from warmstart.models.image.convolution import convolution


def _conv_norm(x: Any, filters: int, *, stride: int = 1, name: str) -> Any:
    x = convolution(
        x, filters, 3, f"{name}_conv", stride=stride, same=True, initializer="he_normal"
    )
    return layers.BatchNormalization(name=f"{name}_bn")(x)


def _residual_unit(x: Any, filters: int, *, stride: int, name: str) -> Any:
    """relu(F(x) + shortcut(x)); x: (B, H, W, C) -> (B, H / stride, W / stride, filters)."""
    shortcut = x
    y = layers.ReLU(name=f"{name}_1_relu")(_conv_norm(x, filters, stride=stride, name=f"{name}_1"))
    y = _conv_norm(y, filters, name=f"{name}_2")
    if stride > 1:
        shortcut = layers.MaxPooling2D(1, stride, name=f"{name}_subsample")(shortcut)
    if (missing := filters - shortcut.shape[-1]) > 0:  # option A: the new channels start at zero
        shortcut = ops.pad(
            shortcut, ((0, 0), (0, 0), (0, 0), (missing // 2, missing - missing // 2))
        )
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([y, shortcut]))


@image_builder("cifar_resnet", CifarResNetConfig.of)
def build(images: Any, c: CifarResNetConfig, include_top: bool, pooling: str | None) -> Any:
    """Build the network.

    Args:
        config: its sizes; a mapping contains the fields of `CifarResNetConfig`.
        include_top: whether pooling, the dense layer and the softmax are part of it.
        input_shape: (H, W, 3); any H, W of 8 or more. Default: the config's square image.
        pooling: without the top, `None` (a (B, H/4, W/4, 4 * filters) map), `"avg"` or `"max"`.
        classes: with the top, the number of outputs. Default: the config's.

    Returns:
        A `keras.Model` from float32 (B, H, W, 3), standardised per channel, to probabilities
        (B, classes), or to features.

    Raises:
        UsageError: the config has an unknown key.
    """
    x = layers.ReLU(name="stem_relu")(_conv_norm(images, c.filters, name="stem"))
    for stage in range(3):
        for block in range(c.blocks_per_stage):
            x = _residual_unit(
                x,
                c.filters * 2**stage,
                stride=2 if stage and not block else 1,
                name=f"stage{stage + 1}_block{block + 1}",
            )
    x = pooled_top(x, "avg" if include_top else pooling)
    if include_top:
        x = layers.Dense(c.classes, activation="softmax", dtype="float32", name="predictions")(x)
    return x


load = load_by_name
