"""Operators that work element by element or along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from warmstart.training.wrap.onnx.evaluator import TO_LAST, ChannelsLast, Evaluator, handles, has
from warmstart.training.wrap.onnx.graph import Node

LAST_AXIS = {0: 0, 1: 3, 2: 1, 3: 2}
"""Axis of a map with channels first -> with channels last."""


def _gelu(x: Any, node: Node) -> Any:
    return tf.nn.gelu(x, approximate=node.attributes.get("approximate") == "tanh")


def _hard_sigmoid(x: Any, node: Node) -> Any:
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    return tf.clip_by_value(alpha * x + beta, 0.0, 1.0)


def _cast(x: Any, node: Node) -> Any:
    import onnx

    return tf.cast(x, onnx.helper.tensor_dtype_to_np_dtype(node.attributes["to"]))


UNARY: dict[str, Callable[[Any, Node], Any]] = {
    "Abs": lambda x, node: tf.abs(x),
    "Cast": _cast,
    "Ceil": lambda x, node: tf.math.ceil(x),
    "Cos": lambda x, node: tf.cos(x),
    "Dropout": lambda x, node: tf.identity(x),
    "Elu": lambda x, node: (
        tf.maximum(x, 0.0) + node.attributes.get("alpha", 1.0) * (tf.exp(tf.minimum(x, 0.0)) - 1)
    ),
    "Erf": lambda x, node: tf.math.erf(x),
    "Exp": lambda x, node: tf.exp(x),
    "Floor": lambda x, node: tf.floor(x),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda x, node: x * tf.nn.relu6(x + 3.0) * (1 / 6),
    "Identity": lambda x, node: tf.identity(x),
    "LeakyRelu": lambda x, node: tf.nn.leaky_relu(x, node.attributes.get("alpha", 0.01)),
    "Log": lambda x, node: tf.math.log(x),
    "Mish": lambda x, node: x * tf.tanh(tf.math.softplus(x)),
    "Neg": lambda x, node: tf.negative(x),
    "Not": lambda x, node: tf.logical_not(x),
    "Reciprocal": lambda x, node: 1 / x,
    "Relu": lambda x, node: tf.nn.relu(x),
    "Round": lambda x, node: tf.round(x),
    "Selu": lambda x, node: tf.nn.selu(x),
    "Sigmoid": lambda x, node: tf.sigmoid(x),
    "Sign": lambda x, node: tf.sign(x),
    "Sin": lambda x, node: tf.sin(x),
    "Softplus": lambda x, node: tf.math.softplus(x),
    "Softsign": lambda x, node: x / (1 + tf.abs(x)),
    "Sqrt": lambda x, node: tf.sqrt(x),
    "Tanh": lambda x, node: tf.tanh(x),
}


@handles(*UNARY)
def unary(run: Evaluator, node: Node) -> Any:
    (name, *_) = node.inputs
    function = UNARY[node.operator]
    return (
        ChannelsLast(function(run.last(name), node))
        if run.is_last(name)
        else function(run(name), node)
    )


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
def binary(run: Evaluator, node: Node) -> Any:
    function = BINARY[node.operator]
    operands, is_last = aligned(run, [name for name in node.inputs if name])
    result = tf.convert_to_tensor(operands[0])
    for other in operands[1:]:
        result = function(result, tf.convert_to_tensor(other))
    return ChannelsLast(result) if is_last else result


def aligned(run: Evaluator, names: list[str]) -> tuple[list[Any], bool]:
    """Operands to broadcast, either all with channels last or none."""
    others = [name for name in names if not run.is_last(name)]
    if len(others) == len(names) or not all(_can_turn(run(name)) for name in others):
        return [run(name) for name in names], False
    return [run.last(name) if name not in others else _turned(run, name) for name in names], True


def _can_turn(value: Any) -> bool:
    """Whether an operand of a map can be transposed to channels last."""
    return _rank(value) in (0, 4) or (_rank(value) < 4 and None not in tuple(value.shape))


def _turned(run: Evaluator, name: str) -> Any:
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
def clip(run: Evaluator, node: Node) -> Any:
    low = node.attributes.get("min") if not has(node, 1) else run(node.inputs[1])
    high = node.attributes.get("max") if not has(node, 2) else run(node.inputs[2])
    name = node.inputs[0]
    is_last = run.is_last(name)
    x = run.last(name) if is_last else run(name)
    if low is not None and high is not None and (float(low), float(high)) == (0.0, 6.0):
        x = tf.nn.relu6(x)
    else:
        x = x if low is None else tf.maximum(x, tf.cast(low, x.dtype))
        x = x if high is None else tf.minimum(x, tf.cast(high, x.dtype))
    return ChannelsLast(x) if is_last else x


@handles("Where")
def where(run: Evaluator, node: Node) -> Any:
    condition, a, b = (run(name) for name in node.inputs)
    return tf.where(condition, a, b)


@handles("Softmax", "LogSoftmax")
def softmax(run: Evaluator, node: Node) -> Any:
    x = run(node.inputs[0])
    function = tf.nn.softmax if node.operator == "Softmax" else tf.nn.log_softmax
    if run.graph.opset >= 13:
        return function(x, axis=node.attributes.get("axis", -1))
    axis = node.attributes.get("axis", 1) % len(x.shape)  # over all axes from this one on
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
def reduction(run: Evaluator, node: Node) -> Any:
    name, function = node.inputs[0], REDUCTIONS[node.operator]
    axes, keep = run.axes(node), bool(node.attributes.get("keepdims", 1))
    if not axes and node.attributes.get("noop_with_empty_axes"):
        return run(name)
    if axes and run.is_last(name):
        moved = [LAST_AXIS[axis % 4] for axis in axes]
        if keep:
            return ChannelsLast(function(run.last(name), moved, True))
        if sorted(moved) == [1, 2]:  # (B, C) in both orders
            return function(run.last(name), moved, False)
    return function(run(name), axes or None, keep)


@handles("GlobalAveragePool", "GlobalMaxPool")
def global_pool(run: Evaluator, node: Node) -> Any:
    function = tf.reduce_mean if node.operator == "GlobalAveragePool" else tf.reduce_max
    name = node.inputs[0]
    if run.is_last(name) or len(run(name).shape) == 4:
        return ChannelsLast(function(run.last(name), [1, 2], True))
    return function(run(name), list(range(2, len(run(name).shape))), True)


@handles("ArgMax", "ArgMin")
def extreme(run: Evaluator, node: Node) -> Any:
    function = tf.argmax if node.operator == "ArgMax" else tf.argmin
    axis = node.attributes.get("axis", 0)
    result = function(run(node.inputs[0]), axis)
    return tf.expand_dims(result, axis) if node.attributes.get("keepdims", 1) else result


@handles("Gemm")
def gemm(run: Evaluator, node: Node) -> Any:
    a, b = run(node.inputs[0]), run(node.inputs[1])
    flags = [bool(node.attributes.get(name, 0)) for name in ("transA", "transB")]
    result = tf.matmul(a, b, transpose_a=flags[0], transpose_b=flags[1])
    if (alpha := node.attributes.get("alpha", 1.0)) != 1.0:
        result *= alpha
    bias = run.optional(node, 2)
    return result if bias is None else result + node.attributes.get("beta", 1.0) * bias


@handles("MatMul")
def matmul(run: Evaluator, node: Node) -> Any:
    a, b = (tf.convert_to_tensor(run(name)) for name in node.inputs)
    if len(a.shape) > 1 and len(b.shape) > 1:
        return tf.matmul(a, b)
    return tf.tensordot(a, b, 1) if len(b.shape) == 1 else tf.linalg.matvec(b, a, transpose_a=True)


@handles("Einsum")
def einsum(run: Evaluator, node: Node) -> Any:
    return tf.einsum(node.attributes["equation"], *(run(name) for name in node.inputs))


@handles("LayerNormalization")
def layer_normalization(run: Evaluator, node: Node) -> Any:
    x = run(node.inputs[0])
    first = node.attributes.get("axis", -1) % len(x.shape)
    axes = list(range(first, len(x.shape)))
    mean = tf.reduce_mean(x, axes, True)
    centred = x - mean
    variance = tf.reduce_mean(centred * centred, axes, True)
    result = centred * tf.math.rsqrt(variance + node.attributes.get("epsilon", 1e-5))
    bias = run.optional(node, 2)
    result *= run(node.inputs[1])
    return result if bias is None else result + bias


@handles("QuantizeLinear", "DequantizeLinear")
def quantise(run: Evaluator, node: Node) -> Any:
    x, scale = run(node.inputs[0]), np.asarray(run.constant(node.inputs[1], "a scale"))
    zero = run.constant(node.inputs[2], "a zero point") if has(node, 2) else np.zeros((), np.uint8)
    axis = node.attributes.get("axis", 1)
    if scale.ndim:
        sides = [1] * len(x.shape)
        sides[axis] = -1
        scale, zero = scale.reshape(sides), zero.reshape(sides)
    if node.operator == "DequantizeLinear":
        return (tf.cast(x, tf.float32) - zero.astype(np.float32)) * scale
    limits = np.iinfo(zero.dtype)
    rounded = tf.round(x / scale) + zero.astype(np.float32)
    return tf.cast(tf.clip_by_value(rounded, limits.min, limits.max), zero.dtype)
