"""Operators that work elementwise or along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from warmstart.training.wrap.onnx.evaluator import (
    TO_LAST,
    ChannelsLast,
    Evaluator,
    Operation,
    handles,
)

LAST_AXIS = {0: 0, 1: 3, 2: 1, 3: 2}
"""Axes of a map with channels first -> with channels last."""


def _cast(x: Any, op: Operation) -> Any:
    import onnx

    return tf.cast(x, onnx.helper.tensor_dtype_to_np_dtype(op.get("to")))


PLAIN: dict[str, Callable[[Any], Any]] = {
    "Abs": tf.abs,
    "Ceil": tf.math.ceil,
    "Cos": tf.cos,
    "Dropout": tf.identity,
    "Erf": tf.math.erf,
    "Exp": tf.exp,
    "Floor": tf.floor,
    "HardSwish": lambda x: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "Identity": tf.identity,
    "Log": tf.math.log,
    "Mish": lambda x: x * tf.tanh(tf.math.softplus(x)),
    "Neg": tf.negative,
    "Not": tf.logical_not,
    "Reciprocal": lambda x: 1 / x,
    "Relu": tf.nn.relu,
    "Round": tf.round,
    "Selu": tf.nn.selu,
    "Sigmoid": tf.sigmoid,
    "Sign": tf.sign,
    "Sin": tf.sin,
    "Softplus": tf.math.softplus,
    "Softsign": lambda x: x / (1 + tf.abs(x)),
    "Sqrt": tf.sqrt,
    "Tanh": tf.tanh,
}
"""Elementwise operators without attributes."""
UNARY: dict[str, Callable[[Any, Operation], Any]] = {
    "Cast": _cast,
    "Elu": lambda x, op: (
        tf.maximum(x, 0.0) + op.get("alpha", 1.0) * (tf.exp(tf.minimum(x, 0.0)) - 1)
    ),
    "Gelu": lambda x, op: tf.nn.gelu(x, approximate=op.get("approximate") == "tanh"),
    "HardSigmoid": lambda x, op: tf.clip_by_value(
        op.get("alpha", 0.2) * x + op.get("beta", 0.5), 0.0, 1.0
    ),
    "LeakyRelu": lambda x, op: tf.nn.leaky_relu(x, op.get("alpha", 0.01)),
}
"""Elementwise operators with attributes."""


@handles(*PLAIN)
def plain(op: Operation) -> Any:
    return op.map(PLAIN[op.operator])


@handles(*UNARY)
def unary(op: Operation) -> Any:
    return op.map(lambda x: UNARY[op.operator](x, op))


def _divide(a: Any, b: Any) -> Any:
    if tf.as_dtype(a.dtype).is_integer:  # ONNX rounds towards zero
        return tf.cast(tf.truncatediv(a, b), a.dtype)
    return a / b


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda a, b: a + b,
    "And": tf.logical_and,
    "Div": _divide,
    "Equal": tf.equal,
    "Greater": tf.greater,
    "GreaterOrEqual": tf.greater_equal,
    "Less": tf.less,
    "LessOrEqual": tf.less_equal,
    "Max": tf.maximum,
    "Min": tf.minimum,
    "Mul": lambda a, b: a * b,
    "Or": tf.logical_or,
    "Pow": lambda a, b: tf.pow(a, tf.cast(b, a.dtype)),
    "PRelu": lambda a, b: tf.maximum(a, 0.0) + b * tf.minimum(a, 0.0),
    "Sub": lambda a, b: a - b,
    "Sum": lambda a, b: a + b,
}


@handles(*BINARY)
def binary(op: Operation) -> Any:
    function = BINARY[op.operator]
    operands, is_last = aligned(op.run, [name for name in op.node.inputs if name])
    result = tf.convert_to_tensor(operands[0])
    for other in operands[1:]:
        result = function(result, tf.convert_to_tensor(other))
    return ChannelsLast(result) if is_last else result


def aligned(run: Evaluator, names: list[str]) -> tuple[list[Any], bool]:
    """Operands to broadcast, either all with channels last or none."""
    others = [name for name in names if not run.is_last(name)]
    if len(others) == len(names) or not all(_can_transpose(run(name)) for name in others):
        return [run(name) for name in names], False
    return [
        run.last(name) if name not in others else _transposed(run, name) for name in names
    ], True


def _can_transpose(value: Any) -> bool:
    """Whether an operand of a map can be transposed to channels last."""
    return _rank(value) in (0, 4) or (_rank(value) < 4 and None not in tuple(value.shape))


def _transposed(run: Evaluator, name: str) -> Any:
    """An operand, transposed to fit a map with channels last."""
    value = run(name)
    if _rank(value) == 0:
        return value
    if _rank(value) == 4 and not isinstance(value, np.ndarray):
        return run.last(name)
    shape = (1,) * (4 - _rank(value)) + tuple(value.shape)
    return tf.transpose(tf.reshape(value, shape), TO_LAST)


def _rank(value: Any) -> int:
    return len(value.shape)


@handles("Clip")
def clip(op: Operation) -> Any:
    low = op[1] if op.has(1) else op.get("min")
    high = op[2] if op.has(2) else op.get("max")

    def clipped(x: Any) -> Any:
        if low is not None and high is not None and (float(low), float(high)) == (0.0, 6.0):
            return tf.nn.relu6(x)
        x = x if low is None else tf.maximum(x, tf.cast(low, x.dtype))
        return x if high is None else tf.minimum(x, tf.cast(high, x.dtype))

    return op.map(clipped)


@handles("Where")
def where(op: Operation) -> Any:
    condition, a, b = op.values
    return tf.where(condition, a, b)


@handles("Softmax", "LogSoftmax")
def softmax(op: Operation) -> Any:
    x = op[0]
    function = tf.nn.softmax if op.operator == "Softmax" else tf.nn.log_softmax
    if op.run.graph.opset >= 13:
        return function(x, axis=op.get("axis", -1))
    axis = op.get("axis", 1) % len(x.shape)  # over all axes from this one on
    if axis == len(x.shape) - 1:
        return function(x)
    shape = tf.shape(x)
    flat = tf.reshape(x, tf.concat([shape[:axis], [-1]], 0))
    return tf.reshape(function(flat), shape)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceL2": lambda x, axes, keep: tf.sqrt(tf.reduce_sum(x * x, axes, keep)),
    "ReduceMax": tf.reduce_max,
    "ReduceMean": tf.reduce_mean,
    "ReduceMin": tf.reduce_min,
    "ReduceProd": tf.reduce_prod,
    "ReduceSum": tf.reduce_sum,
}


@handles(*REDUCTIONS)
def reduction(op: Operation) -> Any:
    function = REDUCTIONS[op.operator]
    axes, keep = op.axes(), bool(op.get("keepdims", 1))
    if not axes and op.get("noop_with_empty_axes"):
        return op[0]
    if axes and op.is_last:
        moved = [LAST_AXIS[axis % 4] for axis in axes]
        if keep:
            return ChannelsLast(function(op.last, moved, True))
        if sorted(moved) == [1, 2]:  # (B, C) in both orders
            return function(op.last, moved, False)
    return function(op[0], axes or None, keep)


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(op: Operation) -> Any:
    function = tf.reduce_mean if op.operator == "GlobalAveragePool" else tf.reduce_max
    if op.is_last or len(op[0].shape) == 4:
        return ChannelsLast(function(op.last, [1, 2], True))
    return function(op[0], list(range(2, len(op[0].shape))), True)


@handles("ArgMax", "ArgMin")
def extreme(op: Operation) -> Any:
    function = tf.argmax if op.operator == "ArgMax" else tf.argmin
    axis = op.get("axis", 0)
    result = function(op[0], axis)
    return tf.expand_dims(result, axis) if op.get("keepdims", 1) else result


@handles("Gemm")
def gemm(op: Operation) -> Any:
    a, b = op[0], op[1]
    flags = [bool(op.get(name, 0)) for name in ("transA", "transB")]
    result = tf.matmul(a, b, transpose_a=flags[0], transpose_b=flags[1])
    if (alpha := op.get("alpha", 1.0)) != 1.0:
        result *= alpha
    bias = op.optional(2)
    return result if bias is None else result + op.get("beta", 1.0) * bias


@handles("MatMul")
def matmul(op: Operation) -> Any:
    a, b = map(tf.convert_to_tensor, op.values)
    if len(a.shape) > 1 and len(b.shape) > 1:
        return tf.matmul(a, b)
    return tf.tensordot(a, b, 1) if len(b.shape) == 1 else tf.linalg.matvec(b, a, transpose_a=True)


@handles("Einsum")
def einsum(op: Operation) -> Any:
    return tf.einsum(op.get("equation"), *op.values)


@handles("LayerNormalization")
def layer_normalization(op: Operation) -> Any:
    x = op[0]
    first = op.get("axis", -1) % len(x.shape)
    axes = list(range(first, len(x.shape)))
    mean = tf.reduce_mean(x, axes, True)
    centred = x - mean
    variance = tf.reduce_mean(centred * centred, axes, True)
    result = centred * tf.math.rsqrt(variance + op.get("epsilon", 1e-5))
    bias = op.optional(2)
    result *= op[1]
    return result if bias is None else result + bias


@handles("QuantizeLinear", "DequantizeLinear")
def quantise(op: Operation) -> Any:
    x, scale = op[0], np.asarray(op.constant(1, "a scale"))
    zero = op.constant(2, "a zero point") if op.has(2) else np.zeros((), np.uint8)
    axis = op.get("axis", 1)
    if scale.ndim:
        sides = [1] * len(x.shape)
        sides[axis] = -1
        scale, zero = scale.reshape(sides), zero.reshape(sides)
    if op.operator == "DequantizeLinear":
        return (tf.cast(x, tf.float32) - zero.astype(np.float32)) * scale
    limits = np.iinfo(zero.dtype)
    rounded = tf.round(x / scale) + zero.astype(np.float32)
    return tf.cast(tf.clip_by_value(rounded, limits.min, limits.max), zero.dtype)
