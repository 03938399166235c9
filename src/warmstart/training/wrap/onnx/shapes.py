"""Operators that change shapes, choose parts, or join arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from warmstart.training.wrap.onnx.arithmetic import LAST_AXIS, aligned
from warmstart.training.wrap.onnx.evaluator import (
    TO_FIRST,
    TO_LAST,
    ChannelsLast,
    Evaluator,
    handles,
    has,
)
from warmstart.training.wrap.onnx.graph import Node

END = 2**31 - 1
"""Slice ends of at least this value mean the end of the axis."""


@handles("Constant")
def constant(run: Evaluator, node: Node) -> Any:
    ((key, value),) = node.attributes.items()
    if key == "value":
        return value
    dtype = {"value_float": np.float32, "value_floats": np.float32}.get(key, np.int64)
    return np.asarray(value, dtype)


@handles("Shape")
def shape(run: Evaluator, node: Node) -> Any:
    x = run(node.inputs[0])
    sides = tuple(None if side is None else int(side) for side in x.shape)
    part = slice(node.attributes.get("start", 0), node.attributes.get("end"))
    sides = sides[part]
    if None not in sides:
        return np.array(sides, np.int64)
    run.sides[node.outputs[0]] = sides
    return tf.shape(x, out_type=tf.int64)[part]


@handles("Gather")
def gather(run: Evaluator, node: Node) -> Any:
    name, axis = node.inputs[0], node.attributes.get("axis", 0)
    indices = run(node.inputs[1])
    if name in run.sides and isinstance(indices, np.ndarray):
        chosen = [run.sides[name][int(index)] for index in indices.ravel()]
        if None not in chosen:
            return np.array(chosen, np.int64).reshape(indices.shape)
    x = run(name)
    if isinstance(indices, np.ndarray) and (indices < 0).any():
        indices = np.where(indices < 0, indices + x.shape[axis], indices)
    return tf.gather(x, indices, axis=axis)


@handles("Slice")
def slices(run: Evaluator, node: Node) -> Any:
    name = node.inputs[0]
    starts, ends = (_bounds(run, node, key, index) for index, key in ((1, "starts"), (2, "ends")))
    x = run(name)
    axes = run.axes(node, 3) or list(range(len(starts)))
    steps = run.constant(node.inputs[4], "the steps of a slice") if has(node, 4) else [1] * 8
    parts = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=False):
        is_open = not hasattr(end, "dtype") or not tf.is_tensor(end)
        last = None if is_open and abs(int(end)) >= END else end
        parts[axis] = slice(start, last, int(step))
    if name in run.sides and None not in (chosen := run.sides[name][parts[0]]):
        return np.array(chosen, np.int64)
    return x[tuple(parts)]


def _bounds(run: Evaluator, node: Node, key: str, index: int) -> Sequence[Any]:
    if key in node.attributes:
        return [int(value) for value in node.attributes[key]]
    value = run(node.inputs[index])
    if isinstance(value, np.ndarray):
        return [int(one) for one in value.ravel()]
    return list(tf.unstack(tf.cast(value, tf.int32)))


@handles("Reshape")
def reshape(run: Evaluator, node: Node) -> Any:
    x, target = run(node.inputs[0]), run(node.inputs[1])
    if isinstance(target, np.ndarray) and not node.attributes.get("allowzero"):
        sides = [int(side) for side in target]
        own = [None if side is None else int(side) for side in x.shape]
        copied = [own[axis] if side == 0 else side for axis, side in enumerate(sides)]
        if copied.count(None) == 1 and -1 not in copied:
            copied[copied.index(None)] = -1
        if None in copied:
            dynamic = tf.shape(x)
            copied = [dynamic[axis] if side is None else side for axis, side in enumerate(copied)]
        return tf.reshape(x, copied)
    return tf.reshape(x, tf.cast(target, tf.int32))


@handles("Flatten")
def flatten(run: Evaluator, node: Node) -> Any:
    x, axis = run(node.inputs[0]), node.attributes.get("axis", 1)
    rest = x.shape[axis:]
    if axis == 1 and None not in tuple(rest):
        return tf.reshape(x, [-1, math.prod(map(int, rest))])
    first = tf.reduce_prod(tf.shape(x)[:axis])
    return tf.reshape(x, [first, -1])


@handles("Transpose")
def transpose(run: Evaluator, node: Node) -> Any:
    name = node.inputs[0]
    rank = len(run.last(name).shape if run.is_last(name) else run(name).shape)
    axes = tuple(node.attributes.get("perm", range(rank)[::-1]))
    if axes == TO_LAST and run.is_last(name):
        return run.last(name)
    if axes == TO_FIRST and not run.is_last(name) and not isinstance(run(name), np.ndarray):
        return ChannelsLast(run(name))
    return tf.transpose(run(name), axes)


@handles("Squeeze")
def squeeze(run: Evaluator, node: Node) -> Any:
    return tf.squeeze(run(node.inputs[0]), run.axes(node))


@handles("Unsqueeze")
def unsqueeze(run: Evaluator, node: Node) -> Any:
    x, axes = run(node.inputs[0]), run.axes(node) or []
    rank = len(x.shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = tf.expand_dims(x, axis)
    return x


@handles("Concat")
def concat(run: Evaluator, node: Node) -> Any:
    axis = node.attributes["axis"]
    operands, is_last = aligned(run, list(node.inputs))
    if is_last:
        return ChannelsLast(tf.concat(operands, LAST_AXIS[axis % 4]))
    return tf.concat(operands, axis)


@handles("Split")
def split(run: Evaluator, node: Node) -> Any:
    x, axis = run(node.inputs[0]), node.attributes.get("axis", 0)
    if "split" in node.attributes:
        sizes: Any = list(node.attributes["split"])
    elif has(node, 1):
        sizes = [int(one) for one in run.constant(node.inputs[1], "the sizes of a split")]
    else:
        count, side = len(node.outputs), int(x.shape[axis])
        part = -(-side // count)
        sizes = [min(part, side - part * index) for index in range(count)]
    return tf.split(x, sizes, axis)


@handles("Expand")
def expand(run: Evaluator, node: Node) -> Any:
    x, target = run(node.inputs[0]), run(node.inputs[1])
    if isinstance(target, np.ndarray) and None not in x.shape:
        target = np.broadcast_shapes(tuple(int(side) for side in x.shape), tuple(target))
        return tf.broadcast_to(x, target)
    both = tf.broadcast_dynamic_shape(tf.shape(x, out_type=tf.int64), tf.cast(target, tf.int64))
    return tf.broadcast_to(x, both)


@handles("Tile")
def tile(run: Evaluator, node: Node) -> Any:
    return tf.tile(run(node.inputs[0]), run(node.inputs[1]))


@handles("ConstantOfShape")
def constant_of_shape(run: Evaluator, node: Node) -> Any:
    value = np.asarray(node.attributes.get("value", np.zeros(1, np.float32))).ravel()[0]
    return tf.fill(tf.cast(run(node.inputs[0]), tf.int32), value)


@handles("Range")
def numbers(run: Evaluator, node: Node) -> Any:
    start, limit, delta = (run(name) for name in node.inputs)
    return tf.range(start, limit, delta)


@handles("Trilu")
def triangular(run: Evaluator, node: Node) -> Any:
    x = run(node.inputs[0])
    k = int(run.constant(node.inputs[1], "a diagonal")) if has(node, 1) else 0
    rows, columns = int(x.shape[-2]), int(x.shape[-1])
    triangle = np.triu if node.attributes.get("upper", 1) else np.tril
    return tf.where(triangle(np.ones((rows, columns), bool), k), x, tf.zeros_like(x))


@handles("CumSum")
def cumulative(run: Evaluator, node: Node) -> Any:
    axis = int(run.constant(node.inputs[1], "an axis"))
    flags = [bool(node.attributes.get(name, 0)) for name in ("exclusive", "reverse")]
    return tf.cumsum(run(node.inputs[0]), axis, exclusive=flags[0], reverse=flags[1])


@handles("Pad")
def pad(run: Evaluator, node: Node) -> Any:
    name = node.inputs[0]
    modes = {"constant": "CONSTANT", "reflect": "REFLECT", "edge": "SYMMETRIC"}
    if "pads" in node.attributes:
        amounts = [int(one) for one in node.attributes["pads"]]
    else:
        amounts = [int(one) for one in run.constant(node.inputs[1], "padding").ravel()]
    value = run.constant(node.inputs[2], "padding") if has(node, 2) else None
    fill = float(node.attributes.get("value", 0.0) if value is None else value.ravel()[0])
    half = len(amounts) // 2
    pairs = list(zip(amounts[:half], amounts[half:], strict=True))
    if axes := run.axes(node, 3):
        rank = 4 if run.is_last(name) else len(run(name).shape)
        by_axis = {axis % rank: pair for axis, pair in zip(axes, pairs, strict=True)}
        pairs = [by_axis.get(axis, (0, 0)) for axis in range(rank)]
    mode = node.attributes.get("mode", "constant")
    is_one = max(amounts, default=0) <= 1  # the edge is the mirror where one is added
    if mode not in modes or (mode == "edge" and not is_one) or min(amounts, default=0) < 0:
        from warmstart.errors import UsageError

        raise UsageError(f"The ONNX operator Pad with mode {mode!r} is not supported.")
    if run.is_last(name):
        turned = [pairs[axis] for axis in TO_LAST]
        return ChannelsLast(tf.pad(run.last(name), turned, modes[mode], fill))
    return tf.pad(run(name), pairs, modes[mode], fill)


@handles("DepthToSpace")
def depth_to_space(run: Evaluator, node: Node) -> Any:
    size, x = int(node.attributes["blocksize"]), run.last(node.inputs[0])
    if node.attributes.get("mode", "DCR") == "DCR":
        return ChannelsLast(tf.nn.depth_to_space(x, size))
    channels = int(x.shape[-1]) // size**2  # the blocks are the inner axis
    order = np.arange(channels * size**2).reshape(channels, size**2).T.ravel()
    return ChannelsLast(tf.nn.depth_to_space(tf.gather(x, order, axis=-1), size))


@handles("SpaceToDepth")
def space_to_depth(run: Evaluator, node: Node) -> Any:
    return ChannelsLast(
        tf.nn.space_to_depth(run.last(node.inputs[0]), int(node.attributes["blocksize"]))
    )
