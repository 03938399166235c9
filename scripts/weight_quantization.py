"""Kernels of a `.tflite` program as int8 with a scale for each output channel; the arithmetic stays
float32.

TensorFlow's converter either quantises activations too, or keeps kernels in float32 or float16. So
this works on the finished file, with TensorFlow's own reader and writer: every float32 kernel
becomes an int8 constant and a DEQUANTIZE operation, which LiteRT carries out once, when it opens
the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 127
WORTH = 256  # numbers; a smaller kernel is not worth an operation


def scales_of(kernel: np.ndarray, axis: int) -> np.ndarray:
    """float32 (channels,): the largest number of each channel is 127."""
    others = tuple(a for a in range(kernel.ndim) if a != axis % kernel.ndim)
    largest = np.abs(kernel).max(axis=others).astype(np.float64)
    return np.where(largest > 0, largest / LARGEST, 1.0).astype(np.float32)


def quantised(kernel: np.ndarray, scales: np.ndarray, axis: int) -> np.ndarray:
    """int8 numbers of a kernel."""
    return np.clip(np.rint(kernel / _along(scales, kernel, axis)), -LARGEST, LARGEST).astype(
        np.int8
    )


def dequantised_kernel(kernel: np.ndarray, axis: int) -> np.ndarray:
    """The float32 kernel that remains when it was stored as int8."""
    scales = scales_of(kernel, axis)
    return quantised(kernel, scales, axis).astype(np.float32) * _along(scales, kernel, axis)


def _along(scales: np.ndarray, kernel: np.ndarray, axis: int) -> np.ndarray:
    shape = [1] * kernel.ndim
    shape[axis] = scales.size
    return scales.reshape(shape)


def quantise_kernels(path: Path) -> None:
    """Rewrite a program in place."""
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    model: Any = flatbuffer_utils.read_model(str(path))
    operators = schema.BuiltinOperator
    axes = {operators.CONV_2D: 0, operators.DEPTHWISE_CONV_2D: 3, operators.FULLY_CONNECTED: 0}
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operators.DEQUANTIZE
    code.version = 5  # with a scale for each channel
    model.operatorCodes.append(code)
    for graph in model.subgraphs:
        added = []
        for operator in graph.operators:
            axis = axes.get(model.operatorCodes[operator.opcodeIndex].builtinCode)
            if axis is None:
                continue
            kernel = graph.tensors[operator.inputs[1]]
            data = model.buffers[kernel.buffer].data
            if (
                data is None
                or kernel.type != schema.TensorType.FLOAT32
                or np.prod(kernel.shape) < WORTH
            ):
                continue
            numbers = np.frombuffer(bytes(data), "<f4").reshape(kernel.shape)
            scales = scales_of(numbers, axis)
            model.buffers[kernel.buffer].data = np.frombuffer(
                quantised(numbers, scales, axis).tobytes(), np.uint8
            )
            kernel.type = schema.TensorType.INT8
            kernel.quantization = schema.QuantizationParametersT()
            kernel.quantization.scale = scales
            kernel.quantization.zeroPoint = np.zeros(scales.size, np.int64)
            kernel.quantization.quantizedDimension = axis
            result = schema.TensorT()
            result.name, result.shape = b"%s/dequantized" % kernel.name, kernel.shape
            result.type, result.buffer = schema.TensorType.FLOAT32, 0
            graph.tensors.append(result)
            step = schema.OperatorT()
            step.opcodeIndex = len(model.operatorCodes) - 1
            step.inputs, step.outputs = [operator.inputs[1]], [len(graph.tensors) - 1]
            step.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
            step.builtinOptions = schema.DequantizeOptionsT()
            operator.inputs[1] = len(graph.tensors) - 1
            added.append(step)
        graph.operators = [*added, *graph.operators]
    flatbuffer_utils.write_model(model, str(path))
