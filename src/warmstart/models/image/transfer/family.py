"""A pretrained image network with a head of its own: which layers a head may have."""

from __future__ import annotations

_CONVOLUTION = ("kernel_size", "strides", "padding", "activation", "use_bias", "dilation_rate")
_NORMALIZATION = ("axis", "epsilon", "center", "scale")
_POOLING = ("pool_size", "strides", "padding")

HEAD_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "Activation": ("activation",),
    "AlphaDropout": ("rate",),
    "AveragePooling2D": _POOLING,
    "BatchNormalization": (*_NORMALIZATION, "momentum"),
    "Conv2D": (*_CONVOLUTION, "filters", "groups"),
    "Dense": ("units", "activation", "use_bias"),
    "DepthwiseConv2D": (*_CONVOLUTION, "depth_multiplier"),
    "Dropout": ("rate",),
    "ELU": ("alpha",),
    "Flatten": (),
    "GaussianDropout": ("rate",),
    "GaussianNoise": ("stddev",),
    "GlobalAveragePooling2D": (),
    "GlobalMaxPooling2D": (),
    "LayerNormalization": _NORMALIZATION,
    "LeakyReLU": ("negative_slope",),
    "MaxPooling2D": _POOLING,
    "Normalization": ("axis",),
    "PReLU": ("shared_axes",),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Rescaling": ("scale", "offset"),
    "SeparableConv2D": (*_CONVOLUTION, "filters", "depth_multiplier"),
    "Softmax": ("axis",),
    "SpatialDropout2D": ("rate",),
    "UnitNormalization": ("axis",),
}
"""Keras' layers that a head may have, and the arguments that decide what they compute."""
HEAD_LAYERS = frozenset(HEAD_ARGUMENTS)
ACTIVATIONS = frozenset({
    "linear", "relu", "relu6", "gelu", "silu", "swish", "elu", "selu", "tanh", "sigmoid", "softplus", "softsign",
    "hard_sigmoid", "hard_silu", "hard_swish", "leaky_relu", "mish", "softmax", "exponential", "log_softmax",
})  # fmt: skip
MAP_LAYERS = (
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "AveragePooling2D",
    "MaxPooling2D",
    "Conv2D",
    "DepthwiseConv2D",
    "SeparableConv2D",
    "SpatialDropout2D",
)
"""The first layers that a head on a feature map may have."""
