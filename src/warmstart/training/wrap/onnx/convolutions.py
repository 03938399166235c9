"""Operators on maps: convolutions, pooling, normalisation, resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from warmstart.errors import UsageError
from warmstart.training.wrap.onnx.evaluator import ChannelsLast, Operation, handles
from warmstart.training.wrap.onnx.graph import Node

Pads = list[tuple[int, int]]
RESIZE_BY_CORNER = "align_corners"
CENTRES = ("half_pixel", "pytorch_half_pixel")


def _spatial(op: Operation) -> tuple[Any, int]:
    """(map (B, H, W, C), number of spatial axes); sequences (B, C, T) become maps of one row."""
    if op.is_last:
        return op.last, 2
    x = op[0]
    if len(x.shape) == 3:
        return tf.transpose(x, (0, 2, 1))[:, None], 1
    if len(x.shape) != 4:
        raise UsageError("ONNX graphs with three-dimensional convolutions are not supported.")
    return op.last, 2


def _result(x: Any, axes: int) -> Any:
    return ChannelsLast(x) if axes == 2 else tf.transpose(x[:, 0], (0, 2, 1))


def _numbers(op: Operation, key: str, axes: int, default: int = 1) -> list[int]:
    """The values of an attribute for two spatial axes."""
    values = [int(value) for value in op.get(key, [default] * axes)]
    return [1] * (2 - axes) + values


def _pads(op: Operation, x: Any, kernel: Sequence[int], strides: Sequence[int], axes: int) -> Pads:
    """The padding before and after each of two spatial axes."""
    dilations = _numbers(op, "dilations", axes)
    wide = [(side - 1) * rate + 1 for side, rate in zip(kernel, dilations, strict=True)]
    auto = op.get("auto_pad", "NOTSET")
    if auto == "VALID":
        return [(0, 0), (0, 0)]
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for axis in range(2):
            size = x.shape[1 + axis]
            if size is None:
                raise UsageError(
                    "The ONNX graph pads maps of unknown size; export it with fixed input sizes."
                )
            total = max((-(-size // strides[axis]) - 1) * strides[axis] + wide[axis] - size, 0)
            less, more = total // 2, total - total // 2
            pads.append((less, more) if auto == "SAME_UPPER" else (more, less))
        return pads
    flat = [int(value) for value in op.get("pads", [0] * 2 * axes)]
    pads = list(zip(flat[:axes], flat[axes:], strict=True))
    pads = [(0, 0)] * (2 - axes) + pads
    if op.get("ceil_mode"):
        for axis in range(2):
            size = x.shape[1 + axis]
            if size is None:
                raise UsageError(
                    "The ONNX graph pools maps of unknown size; export it with fixed input sizes."
                )
            more = -(size + sum(pads[axis]) - wide[axis]) % strides[axis]
            start = size + sum(pads[axis]) + more - wide[axis]  # of the additional window
            if more and start < size + pads[axis][0]:
                pads[axis] = (pads[axis][0], pads[axis][1] + more)
    return pads


def _padded(x: Any, pads: Pads, value: float = 0.0) -> Any:
    if not any(map(any, pads)):
        return x
    return tf.pad(x, [(0, 0), *pads, (0, 0)], constant_values=value)


@handles("Conv")
def convolution(op: Operation) -> Any:
    x, axes = _spatial(op)
    weights = tf.convert_to_tensor(op[1])
    if axes == 1:
        weights = weights[:, :, None]
    out, per_group, *kernel = (int(side) for side in weights.shape)
    strides, dilations = _numbers(op, "strides", axes), _numbers(op, "dilations", axes)
    groups = int(op.get("group", 1))
    pads = _pads(op, x, kernel, strides, axes)
    wide = [(side - 1) * rate for side, rate in zip(kernel, dilations, strict=True)]
    is_same = strides == [1, 1] and pads == [(side // 2, side - side // 2) for side in wide]
    padding = "SAME" if is_same else "VALID"
    if not is_same:
        x = _padded(x, pads)
    filters = tf.transpose(weights, (2, 3, 1, 0))  # (h, w, in, out)
    steps = [1, *strides, 1]
    if groups == 1:
        result = tf.nn.conv2d(x, filters, strides, padding, dilations=dilations)
    elif per_group == 1 and groups == int(x.shape[-1]):
        own = tf.reshape(filters, (*kernel, groups, out // groups))
        if strides[0] != strides[1]:
            raise UsageError("Depthwise convolutions of unequal strides are not supported.")
        result = tf.nn.depthwise_conv2d(x, own, steps, padding, dilations=dilations)
    else:
        parts = zip(tf.split(x, groups, -1), tf.split(filters, groups, -1), strict=True)
        result = tf.concat(
            [
                tf.nn.conv2d(group, kernels, strides, padding, dilations=dilations)
                for group, kernels in parts
            ],
            -1,
        )
    bias = op.optional(2)
    return _result(result if bias is None else tf.nn.bias_add(result, bias), axes)


@handles("ConvTranspose")
def transposed_convolution(op: Operation) -> Any:
    x, axes = _spatial(op)
    weights = tf.convert_to_tensor(op[1])
    if axes == 1:
        weights = weights[:, :, None]
    _, out, *kernel = (int(side) for side in weights.shape)
    supported = {"group": 1, "auto_pad": "NOTSET", "output_shape": None}
    if any(op.get(key, value) != value for key, value in supported.items()):
        raise UsageError("The ONNX operator ConvTranspose with groups or shapes is not supported.")
    if _numbers(op, "dilations", axes) != [1, 1]:
        raise UsageError("The ONNX operator ConvTranspose with dilations is not supported.")
    strides, extra = _numbers(op, "strides", axes), _numbers(op, "output_padding", axes, 0)
    extra = [0] * (axes == 1) + extra[-axes:]
    pads = _pads(op, x, kernel, strides, axes)
    shape = tf.shape(x)
    whole = [
        (x.shape[1 + axis] or shape[1 + axis]) * strides[axis]
        + max(kernel[axis] - strides[axis], 0)
        for axis in range(2)
    ]
    filters = tf.transpose(weights, (2, 3, 1, 0))  # (h, w, out, in)
    result = tf.nn.conv2d_transpose(x, filters, [shape[0], *whole, out], strides, "VALID")
    ends = []
    for axis in range(2):
        side = x.shape[1 + axis] or shape[1 + axis]
        ends.append((side - 1) * strides[axis] + kernel[axis] - pads[axis][1] + extra[axis])
    short = [max(e - p, 0) for e, (_, p) in zip(extra, pads, strict=True)]
    result = _padded(result, [(0, more) for more in short])
    result = result[:, pads[0][0] : ends[0], pads[1][0] : ends[1]]
    bias = op.optional(2)
    return _result(result if bias is None else tf.nn.bias_add(result, bias), axes)


@handles("MaxPool", "AveragePool")
def pool(op: Operation) -> Any:
    x, axes = _spatial(op)
    if len(op.node.outputs) > 1:
        raise UsageError("The ONNX operator MaxPool with indices is not supported.")
    kernel, strides = _numbers(op, "kernel_shape", axes), _numbers(op, "strides", axes)
    if _numbers(op, "dilations", axes) != [1, 1]:
        raise UsageError(f"The ONNX operator {op.operator} with dilations is not supported.")
    pads = _pads(op, x, kernel, strides, axes)
    if op.operator == "MaxPool":
        padded = _padded(x, pads, float(np.finfo(np.float32).min))
        return _result(tf.nn.max_pool2d(padded, kernel, strides, "VALID"), axes)
    result = tf.nn.avg_pool2d(_padded(x, pads), kernel, strides, "VALID")
    if any(map(any, pads)):
        inside = tf.ones_like(x[:1, :, :, :1])
        if op.get("count_include_pad"):
            own = {**op.node.attributes, "ceil_mode": 0}
            other = Operation(op.run, Node(op.operator, "", (), (), own))
            counted = _pads(other, x, kernel, strides, axes)
            beyond = [
                (0, more - other) for (_, more), (_, other) in zip(pads, counted, strict=True)
            ]
            inside = _padded(_padded(inside, counted, 1.0), beyond)
        else:
            inside = _padded(inside, pads)
        result /= tf.nn.avg_pool2d(inside, kernel, strides, "VALID")
    return _result(result, axes)


@handles("BatchNormalization")
def batch_normalization(op: Operation) -> Any:
    scale, bias, mean, variance = (tf.convert_to_tensor(op[n]) for n in range(1, 5))
    factor = scale * tf.math.rsqrt(variance + op.get("epsilon", 1e-5))
    offset = bias - mean * factor
    if op.is_last or len(op[0].shape) == 4:
        return ChannelsLast(op.last * factor + offset)
    x = op[0]
    sides = [1, -1, *[1] * (len(x.shape) - 2)]
    return x * tf.reshape(factor, sides) + tf.reshape(offset, sides)


@handles("InstanceNormalization")
def instance_normalization(op: Operation) -> Any:
    x, axes = _spatial(op)
    mean, variance = tf.nn.moments(x, [1, 2], keepdims=True)
    result = (x - mean) * tf.math.rsqrt(variance + op.get("epsilon", 1e-5))
    return _result(result * op[1] + op[2], axes)


@handles("Resize", "Upsample")
def resize(op: Operation) -> Any:
    x, axes = _spatial(op)
    if axes != 2:
        raise UsageError("The ONNX operator Resize is supported for feature maps only.")
    before = list(x.shape[1:3])
    size = _resized(op, before)
    mode = op.get("mode", "nearest")
    is_new = op.operator == "Resize" and op.run.graph.opset > 10
    default = "half_pixel" if is_new else "asymmetric"
    transformation = op.get("coordinate_transformation_mode", default)
    images = tf.compat.v1.image
    if mode == "nearest":
        if any(new % old for new, old in zip(size, before, strict=True)):
            raise UsageError(
                "The ONNX operator Resize with mode nearest is supported for integer ratios only."
            )
        return _result(images.resize_nearest_neighbor(x, size), axes)
    if mode != "linear" or (transformation not in (*CENTRES, "asymmetric", RESIZE_BY_CORNER)):
        raise UsageError(
            f"The ONNX operator Resize with {mode} and {transformation} is not supported."
        )
    result = images.resize_bilinear(
        x,
        size,
        align_corners=transformation == RESIZE_BY_CORNER,
        half_pixel_centers=transformation in CENTRES,
    )
    return _result(result, axes)


def _resized(op: Operation, before: Sequence[int | None]) -> list[int]:
    """The height and width after resizing."""
    if None in before or len(before) != 2:
        raise UsageError(
            "The ONNX graph resizes maps of unknown size; export it with fixed input sizes."
        )
    if op.has(3):
        return [int(side) for side in op.constant(3, "sizes")[-2:]]
    index = 2 if op.run.graph.opset > 10 and op.operator == "Resize" else 1
    factors = op.constant(index, "scales") if op.has(index) else op.get("scales", ())
    scales = np.asarray(factors, np.float32).ravel()
    return [int(float(side or 0) * scale) for side, scale in zip(before, scales[-2:], strict=True)]
