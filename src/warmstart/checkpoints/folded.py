"""Fill a model from a published `.tflite` file, whose normalisations are folded into the kernels
before them.

The names of tensors differ from publisher to publisher; the graph does not. So a kernel belongs to
the layer that follows the same layers, is pooled before or not, and has its shape. Branches that
are alike in all of these are distinguished by names, or refused.

| operation | kernel in the file | in Keras |
|---|---|---|
| CONV_2D | (out, H, W, in) | (H, W, in, out); a dense layer's (in, out) if H and W are 1 |
| DEPTHWISE_CONV_2D | (1, H, W, channels) | (H, W, channels, 1) |
| FULLY_CONNECTED | (out, in) | (in, out) |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from warmstart.checkpoints.base import abbreviated, squeezed
from warmstart.checkpoints.tflite import Kernel, TFLiteCheckpoint
from warmstart.counts import counted
from warmstart.errors import MismatchError

LAYERS = {
    "Conv2D": ("CONV_2D", "FULLY_CONNECTED"),
    "Dense": ("CONV_2D", "FULLY_CONNECTED"),
    "DepthwiseConv2D": ("DEPTHWISE_CONV_2D",),
}
"""Layers with a kernel, and the operations that they become."""
SCALING = ("Rescaling", "Normalization")
"""Layers that scale the inputs of a network."""
POOLING = ("GlobalAveragePooling2D", "AveragePooling2D", "Mean")


def fill_folded(model: Any, checkpoint: TFLiteCheckpoint) -> None:
    """Fill all weights of a network of convolutions, or none.

    A normalisation after a kernel is set to add the bias of the file and change nothing else. Of a
    classifier with one more class than the model has, the first, "background" in TensorFlow's
    files, is left out.

    Args:
        model: a built `keras.Model`.
        checkpoint: the opened file.

    Raises:
        MismatchError: other operations, shapes or classes, or a file that scales its input where
            the model does not; the model is unchanged.
    """
    layers = [layer for layer in model.layers if type(layer).__name__ in LAYERS]
    kernels = checkpoint.kernels()
    if len(layers) != len(kernels):
        raise MismatchError(
            f"{checkpoint.path} has {counted(len(kernels), 'operation')} with a kernel, the model {model.name} has "
            f"{counted(len(layers), 'layer')} with one ({abbreviated([layer.name for layer in layers])}). "
            "Take the weights or the model of the same variant."
        )
    own = any(type(layer).__name__ in SCALING for layer in model.layers)
    if not own and (scaling := checkpoint.scaling()):
        raise MismatchError(
            f"{checkpoint.path} scales its input itself ({', '.join(scaling)}), and the "
            f"model {model.name} takes scaled inputs. Convert the network without its "
            "preprocessing."
        )
    pairs = _paired(model, layers, kernels, checkpoint)
    values: list[tuple[Any, np.ndarray]] = []
    for layer, kernel in pairs:
        values += _values(model, layer, kernel, checkpoint, may_drop=layer is layers[-1])
    assigned = {id(variable) for variable, _ in values}
    if missing := [variable.path for variable in model.weights if id(variable) not in assigned]:
        raise MismatchError(
            f"{checkpoint.path} has no arrays for {abbreviated(missing)} of the model {model.name}."
        )
    for variable, value in values:
        variable.assign(value)


def _paired(
    model: Any, layers: list[Any], kernels: list[Kernel], checkpoint: TFLiteCheckpoint
) -> list[tuple[Any, Kernel]]:
    """Each layer with its kernel, in the order of the file."""
    positions = _positions(model, layers)
    left = {id(layer): layer for layer in layers}
    chosen: list[Any] = []
    for kernel in kernels:
        position = (frozenset(id(chosen[index]) for index in kernel.before), kernel.pools)
        candidates = [layer for key, layer in left.items() if positions[key] == position]
        if len(candidates) > 1:
            fitting = [layer for layer in candidates if _fits(layer, kernel, checkpoint)]
            named = [layer for layer in fitting if layer.name in kernel.kernel]
            candidates = named if len(named) == 1 else fitting or candidates[:1]
        if len(candidates) > 1:
            raise MismatchError(
                f"{checkpoint.path}: the kernel {kernel.kernel[:100]!r} may be that of "
                f"{abbreviated([layer.name for layer in candidates])} of {model.name}; the file does "
                "not show which."
            )
        # where none follows the same layers: the next one, whose shape shows what is wrong
        layer = candidates[0] if candidates else next(iter(left.values()))
        if not candidates and _fits(layer, kernel, checkpoint):
            raise MismatchError(
                f"{checkpoint.path}: the {kernel.operation} {kernel.kernel[:100]!r} follows other layers than "
                f"{layer.name!r} of {model.name}. Take the weights or the model of the same variant."
            )
        chosen.append(left.pop(id(layer)))
    return list(zip(chosen, kernels, strict=True))


def _positions(model: Any, layers: list[Any]) -> dict[int, tuple[frozenset[int], bool]]:
    """Of each layer with a kernel (by id), the layers with a kernel before it, and whether a map is
    averaged in between.
    """
    with_kernel = {id(layer) for layer in layers}
    sources: dict[int, tuple[frozenset[int], bool]] = {}  # by id of the tensor
    positions = {}
    for operation in model.operations:
        inputs = _tensors(operation.input) if operation.input is not operation.output else []
        known = [sources[id(tensor)] for tensor in inputs if id(tensor) in sources]
        before = frozenset().union(*(layers_before for layers_before, _ in known))
        pools = any(pooled for _, pooled in known) or type(operation).__name__ in POOLING
        if id(operation) in with_kernel:
            positions[id(operation)] = (before, pools)
            before, pools = frozenset({id(operation)}), False
        sources |= {id(tensor): (before, pools) for tensor in _tensors(operation.output)}
    return positions


def _tensors(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _fits(layer: Any, kernel: Kernel, checkpoint: TFLiteCheckpoint) -> bool:
    """Whether a kernel has the operation and the shape of a layer."""
    shape = checkpoint.shape(kernel.kernel)
    return kernel.operation in LAYERS[type(layer).__name__] and squeezed(
        (*shape[1:], shape[0])
    ) == squeezed(tuple(layer.kernel.shape))


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
    transposed = np.moveaxis(array, 0, -1)
    if may_drop and transposed.ndim == 2 and len(transposed) == shape[-2] and outputs != shape[-1]:
        raise MismatchError(
            f"{checkpoint.path} is a classifier with {outputs} classes, and {model.name} has "
            f"{shape[-1]}. Only a .keras or .h5 file may have other classes."
        )
    if kernel.operation not in LAYERS[type(layer).__name__] or squeezed(
        transposed.shape
    ) != squeezed(shape):
        raise MismatchError(
            f"{checkpoint.path}: the {kernel.operation} {kernel.kernel[:100]!r} has a kernel "
            f"{transposed.shape}, but the layer {layer.name!r} of {model.name} has {shape}. Take the "
            "weights or the model of the same variant."
        )
    shift = np.zeros(outputs, np.float32) if bias is None else bias
    values = [(layer.kernel, transposed.reshape(shape))]
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
            f"{checkpoint.path}: the layer {layer.name!r} of {model.name} has no bias."
        )
    return values


def _normalisation(model: Any, layer: Any) -> Any:
    """The BatchNormalization that takes the output of a layer."""
    norms = (other for other in model.layers if type(other).__name__ == "BatchNormalization")
    return next((norm for norm in norms if norm.input is layer.output), None)
