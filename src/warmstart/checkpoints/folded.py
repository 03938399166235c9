"""Fill a model from a published `.tflite` file, whose normalisations are folded into the kernels
before them.

The names of tensors differ from publisher to publisher; the order of the operations does not. So
kernels are paired in order, which is right for networks whose layers with kernels form a chain: in
one with parallel branches, two layers of the same shape could be swapped.

| operation | kernel in the file | in Keras |
|---|---|---|
| CONV_2D | (out, H, W, in) | (H, W, in, out); a dense layer's (in, out) where H and W are 1 |
| DEPTHWISE_CONV_2D | (1, H, W, channels) | (H, W, channels, 1) |
| FULLY_CONNECTED | (out, in) | (in, out) |
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from warmstart.checkpoints.base import few
from warmstart.checkpoints.tflite import Kernel, TFLiteCheckpoint
from warmstart.errors import MismatchError

LAYERS = {
    "Conv2D": ("CONV_2D", "FULLY_CONNECTED"),
    "Dense": ("CONV_2D", "FULLY_CONNECTED"),
    "DepthwiseConv2D": ("DEPTHWISE_CONV_2D",),
}
"""Layers with a kernel, and the operations that they become."""


def fill_folded(model: Any, checkpoint: TFLiteCheckpoint) -> None:
    """Fill all weights of a chain of convolutions, or none.

    A normalisation after a kernel is set to add the bias of the file and change nothing else. Of a
    classifier with one more class than the model has, the first, "background" in TensorFlow's
    files, is left out.

    Args:
        model: a built `keras.Model`.
        checkpoint: the opened file.

    Raises:
        MismatchError: other operations, or another shape; the model is unchanged.
    """
    layers = [layer for layer in model.layers if type(layer).__name__ in LAYERS]
    kernels = checkpoint.kernels()
    if len(layers) != len(kernels):
        raise MismatchError(
            f"{checkpoint.path} has {len(kernels)} operations with a kernel, the model {model.name} has {len(layers)} "
            f"layers with one ({few([layer.name for layer in layers])}). Take the weights or the model of the same "
            "variant."
        )
    values: list[tuple[Any, np.ndarray]] = []
    for layer, kernel in zip(layers, kernels, strict=True):
        values += _values(model, layer, kernel, checkpoint, may_drop=layer is layers[-1])
    assigned = {id(variable) for variable, _ in values}
    if missing := [variable.path for variable in model.weights if id(variable) not in assigned]:
        raise MismatchError(
            f"{checkpoint.path} has no arrays for {few(missing)} of the model {model.name}."
        )
    for variable, value in values:
        variable.assign(value)


def _values(
    model: Any, layer: Any, kernel: Kernel, checkpoint: TFLiteCheckpoint, *, may_drop: bool
) -> list[tuple[Any, np.ndarray]]:
    """The variables of a layer and of the normalisation after it, and what they become."""
    shape = tuple(layer.kernel.shape)
    array = checkpoint.read(kernel.kernel)
    bias = checkpoint.read(kernel.bias) if kernel.bias else None
    outputs = array.shape[-1 if kernel.operation == "DEPTHWISE_CONV_2D" else 0]
    if may_drop and outputs == shape[-1] + 1:
        array, bias, outputs = array[1:], None if bias is None else bias[1:], outputs - 1
    turned = np.moveaxis(array, 0, -1)
    if kernel.operation not in LAYERS[type(layer).__name__] or _squeezed(turned.shape) != _squeezed(
        shape
    ):
        raise MismatchError(
            f"{checkpoint.path}: the {kernel.operation} {kernel.kernel[:100]!r} has a kernel {turned.shape}, but the "
            f"layer {layer.name!r} of {model.name} has {shape}. Take the weights or the model of the same variant."
        )
    shift = np.zeros(outputs, np.float32) if bias is None else bias
    values = [(layer.kernel, turned.reshape(shape))]
    if layer.use_bias:
        values.append((layer.bias, shift))
        shift = np.zeros_like(shift)
    if (norm := _normalisation(model, layer)) is not None:
        values.append((norm.moving_mean, np.zeros_like(shift)))
        values.append((norm.moving_variance, np.full_like(shift, 1 - norm.epsilon)))
        values += [(norm.gamma, np.ones_like(shift))] if norm.scale else []
        values.append((norm.beta, shift))
    elif not layer.use_bias and np.any(shift):
        raise MismatchError(
            f"{checkpoint.path}: the layer {layer.name!r} of {model.name} has no place for a bias."
        )
    return values


def _normalisation(model: Any, layer: Any) -> Any:
    """The BatchNormalization that takes the output of a layer."""
    norms = (other for other in model.layers if type(other).__name__ == "BatchNormalization")
    return next((norm for norm in norms if norm.input is layer.output), None)


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without axes of length 1, which kernels of 1x1 and depthwise ones have at different
    positions.
    """
    return tuple(length for length in shape if length != 1) or (math.prod(shape),)
