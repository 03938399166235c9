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
    Operation,
    handles,
)

END = 2**31 - 1
"""Slice ends of at least this value mean the end of the axis."""


@handles("Constant")
def constant(op: Operation) -> Any:
    ((key, value),) = op.node.attributes.items()
    if key == "value":
        return value
    dtype = {"value_float": np.float32, "value_floats": np.float32}.get(key, np.int64)
    return np.asarray(value, dtype)


@handles("Shape")
def shape(op: Operation) -> Any:
    x = op[0]
    sides = tuple(None if side is None else int(side) for side in x.shape)
    part = slice(op.get("start", 0), op.get("end"))
    sides = sides[part]
    if None not in sides:
        return np.array(sides, np.int64)
    op.run.sides[op.node.outputs[0]] = sides
    return tf.shape(x, out_type=tf.int64)[part]


@handles("Gather")
def gather(op: Operation) -> Any:
    axis, indices = op.get("axis", 0), op[1]
    if (sides := op.run.sides.get(op.input)) and isinstance(indices, np.ndarray):
        chosen = [sides[int(index)] for index in indices.ravel()]
        if None not in chosen:
            return np.array(chosen, np.int64).reshape(indices.shape)
    x = op[0]
    if isinstance(indices, np.ndarray) and (indices < 0).any():
        indices = np.where(indices < 0, indices + x.shape[axis], indices)
    return tf.gather(x, indices, axis=axis)


@handles("Slice")
def slices(op: Operation) -> Any:
    starts, ends = (_bounds(op, key, index) for index, key in ((1, "starts"), (2, "ends")))
    x = op[0]
    axes = op.axes(3) or list(range(len(starts)))
    steps = op.constant(4, "the steps of a slice") if op.has(4) else [1] * 8
    parts = [slice(None)] * len(x.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=False):
        is_open = not hasattr(end, "dtype") or not tf.is_tensor(end)
        last = None if is_open and abs(int(end)) >= END else end
        parts[axis] = slice(start, last, int(step))
    sides = op.run.sides.get(op.input)
    if sides is not None and None not in (chosen := sides[parts[0]]):
        return np.array(chosen, np.int64)
    return x[tuple(parts)]


def _bounds(op: Operation, key: str, index: int) -> Sequence[Any]:
    if op.get(key) is not None:
        return [int(value) for value in op.get(key)]
    value = op[index]
    if isinstance(value, np.ndarray):
        return [int(number) for number in value.ravel()]
    return list(tf.unstack(tf.cast(value, tf.int32)))


@handles("Reshape")
def reshape(op: Operation) -> Any:
    x, target = op[0], op[1]
    if isinstance(target, np.ndarray) and not op.get("allowzero"):
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
def flatten(op: Operation) -> Any:
    x, axis = op[0], op.get("axis", 1)
    rest = x.shape[axis:]
    if axis == 1 and None not in tuple(rest):
        return tf.reshape(x, [-1, math.prod(map(int, rest))])
    first = tf.reduce_prod(tf.shape(x)[:axis])
    return tf.reshape(x, [first, -1])


@handles("Transpose")
def transpose(op: Operation) -> Any:
    rank = len((op.last if op.is_last else op[0]).shape)
    axes = tuple(op.get("perm", range(rank)[::-1]))
    if axes == TO_LAST and op.is_last:
        return op.last
    if axes == TO_FIRST and not op.is_last and not isinstance(op[0], np.ndarray):
        return ChannelsLast(op[0])
    return tf.transpose(op[0], axes)


@handles("Squeeze")
def squeeze(op: Operation) -> Any:
    return tf.squeeze(op[0], op.axes())


@handles("Unsqueeze")
def unsqueeze(op: Operation) -> Any:
    x, axes = op[0], op.axes() or []
    rank = len(x.shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = tf.expand_dims(x, axis)
    return x


@handles("Concat")
def concat(op: Operation) -> Any:
    axis = op.get("axis")
    operands, is_last = aligned(op.run, list(op.node.inputs))
    if is_last:
        return ChannelsLast(tf.concat(operands, LAST_AXIS[axis % 4]))
    return tf.concat(operands, axis)


@handles("Split")
def split(op: Operation) -> Any:
    x, axis = op[0], op.get("axis", 0)
    if op.get("split") is not None:
        sizes: Any = list(op.get("split"))
    elif op.has(1):
        sizes = [int(number) for number in op.constant(1, "the sizes of a split")]
    else:
        count, side = len(op.node.outputs), int(x.shape[axis])
        part = -(-side // count)
        sizes = [min(part, side - part * index) for index in range(count)]
    return tf.split(x, sizes, axis)


@handles("Expand")
def expand(op: Operation) -> Any:
    x, target = op[0], op[1]
    if isinstance(target, np.ndarray) and None not in x.shape:
        target = np.broadcast_shapes(tuple(int(side) for side in x.shape), tuple(target))
        return tf.broadcast_to(x, target)
    both = tf.broadcast_dynamic_shape(tf.shape(x, out_type=tf.int64), tf.cast(target, tf.int64))
    return tf.broadcast_to(x, both)


@handles("Tile")
def tile(op: Operation) -> Any:
    return tf.tile(op[0], op[1])


@handles("ConstantOfShape")
def constant_of_shape(op: Operation) -> Any:
    value = np.asarray(op.get("value", np.zeros(1, np.float32))).ravel()[0]
    return tf.fill(tf.cast(op[0], tf.int32), value)


@handles("Range")
def numbers(op: Operation) -> Any:
    start, limit, delta = op.values
    return tf.range(start, limit, delta)


@handles("Trilu")
def triangular(op: Operation) -> Any:
    x = op[0]
    k = int(op.constant(1, "a diagonal")) if op.has(1) else 0
    rows, columns = int(x.shape[-2]), int(x.shape[-1])
    triangle = np.triu if op.get("upper", 1) else np.tril
    return tf.where(triangle(np.ones((rows, columns), bool), k), x, tf.zeros_like(x))


@handles("CumSum")
def cumulative(op: Operation) -> Any:
    axis = int(op.constant(1, "an axis"))
    flags = [bool(op.get(name, 0)) for name in ("exclusive", "reverse")]
    return tf.cumsum(op[0], axis, exclusive=flags[0], reverse=flags[1])


@handles("Pad")
def pad(op: Operation) -> Any:
    modes = {"constant": "CONSTANT", "reflect": "REFLECT", "edge": "SYMMETRIC"}
    if op.get("pads") is not None:
        amounts = [int(number) for number in op.get("pads")]
    else:
        amounts = [int(number) for number in op.constant(1, "padding").ravel()]
    value = op.constant(2, "padding") if op.has(2) else None
    fill = float(op.get("value", 0.0) if value is None else value.ravel()[0])
    half = len(amounts) // 2
    pairs = list(zip(amounts[:half], amounts[half:], strict=True))
    if axes := op.axes(3):
        rank = 4 if op.is_last else len(op[0].shape)
        by_axis = {axis % rank: pair for axis, pair in zip(axes, pairs, strict=True)}
        pairs = [by_axis.get(axis, (0, 0)) for axis in range(rank)]
    mode = op.get("mode", "constant")
    # For one added row, the modes "edge" and "reflect" with the edge are the same.
    is_one = max(amounts, default=0) <= 1
    if mode not in modes or (mode == "edge" and not is_one) or min(amounts, default=0) < 0:
        from warmstart.errors import UsageError

        raise UsageError(f"The ONNX operator Pad with mode {mode!r} is not supported.")
    if op.is_last:
        transposed = [pairs[axis] for axis in TO_LAST]
        return ChannelsLast(tf.pad(op.last, transposed, modes[mode], fill))
    return tf.pad(op[0], pairs, modes[mode], fill)


@handles("DepthToSpace")
def depth_to_space(op: Operation) -> Any:
    size, x = int(op.get("blocksize")), op.last
    if op.get("mode", "DCR") == "DCR":
        return ChannelsLast(tf.nn.depth_to_space(x, size))
    channels = int(x.shape[-1]) // size**2  # the blocks are the inner axis
    order = np.arange(channels * size**2).reshape(channels, size**2).T.ravel()
    return ChannelsLast(tf.nn.depth_to_space(tf.gather(x, order, axis=-1), size))


@handles("SpaceToDepth")
def space_to_depth(op: Operation) -> Any:
    return ChannelsLast(tf.nn.space_to_depth(op.last, int(op.get("blocksize"))))
