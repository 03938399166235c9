"""Rewrites networks that OpenVINO has read from a `.tflite` into the forms that it runs fastest.

A program is compiled for LiteRT: normalisation is spelled out, matrices are flattened before a
product, and attention runs head by head on slices. OpenVINO has one operation for the first,
multiplies arrays of any rank, and fuses attention over all heads; NNCF also quantises these forms
better. What does not match a pattern exactly stays as it is. Results change by rounding only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from warmstart.engines.openvino_package import openvino

# isort: split
from openvino.passes import AnyInput, Manager, Matcher, MatcherPass, Or, WrapType

ops = openvino.opset13
Build = Callable[[Any, Mapping[Any, Any]], Any]
"""Returns the node that replaces the last node of a match (its first argument), or None. The second
argument has the matched outputs by the node of the pattern.
"""
AXES = 3
"""The number of axes of the arrays that are rewritten: batch, tokens, width."""


def rewrite(network: Any) -> Any:
    """Rewrite a network, and return it; its nodes are replaced."""
    for pattern, build in (_normalization(), _product(), _attention()):
        manager = Manager()
        manager.register_pass(_Rewrite(pattern, build))
        manager.run_passes(network)
    return network


class _Rewrite(MatcherPass):  # type: ignore[misc]
    """Replaces what matches a pattern by what `build` makes of it."""

    def __init__(self, pattern: Any, build: Build):
        super().__init__()

        def replace(matcher: Any) -> bool:
            root = matcher.get_match_root()
            result = build(root, matcher.get_pattern_value_map())
            if result is None:
                return False
            result.set_friendly_name(root.get_friendly_name())
            root.output(0).replace(result.output(0))
            return True

        self.register_matcher(Matcher(pattern, "warmstart"), replace)


def _op(name: str, *inputs: Any) -> Any:
    return WrapType(f"opset13.{name}", list(inputs))


def _normalization() -> tuple[Any, Build]:
    """Layer normalisation, x * s + (offset - mean * s) with s = scale / sqrt(variance + epsilon)."""
    x, axes, same, epsilon, power, scale, offset = (AnyInput() for _ in range(7))
    mean = _op("ReduceMean", x, axes)
    variance = _op("ReduceMean", _op("SquaredDifference", x, mean), same)
    factor = _op("Multiply", _op("Power", _op("Add", variance, epsilon), power), scale)
    shift = _op("Multiply", _op("Negative", mean), factor)

    def build(root: Any, matched: Mapping[Any, Any]) -> Any:
        exponent, added = _values(matched[power]), _values(matched[epsilon])
        reduced = [_values(matched[node]) for node in (axes, same)]
        if exponent != -0.5 or added is None or added.size != 1 or any(r is None for r in reduced):
            return None
        if not np.array_equal(*reduced):
            return None
        normalized = ops.mvn(matched[x], matched[axes], True, added.item(), "inside_sqrt")
        scaled = ops.multiply(normalized, matched[scale])
        return ops.add(scaled, matched[offset]) if offset in matched else scaled

    return _op("Add", _op("Multiply", x, factor), Or([_op("Add", shift, offset), shift])), build


def _product() -> tuple[Any, Build]:
    """A product of an array (B, T, K) that is flattened to (B * T, K), and whose result gets the
    axes B and T back.
    """
    flat, weights, bias = AnyInput(), AnyInput(), AnyInput()
    product = _op("MatMul", flat, weights)

    def build(root: Any, matched: Mapping[Any, Any]) -> Any:
        attributes = matched[product].get_node().get_attributes()
        array = _unflattened(matched[flat])
        if array is None or attributes["transpose_a"] or not _keeps_axes(array, root):
            return None
        if len(_shape(matched[weights])) != 2 or (
            bias in matched and len(_shape(matched[bias])) > 1
        ):
            return None
        result = ops.matmul(array, matched[weights], False, attributes["transpose_b"])
        return ops.add(result, matched[bias]) if bias in matched else result

    return _op("Reshape", Or([_op("Add", product, bias), product]), AnyInput()), build


def _unflattened(flat: Any) -> Any:
    """The array (B, T, K) that is reshaped to (B * T, K), in one step or several; or None."""
    array = flat
    while len(_shape(array)) != AXES and array.get_node().get_type_name() == "Reshape":
        array = array.get_node().input_value(0)
    shape, (*rows, width) = _shape(array), _shape(flat)
    is_width_kept = len(shape) == AXES and width.is_static and shape[2] == width
    return array if is_width_kept and len(rows) == 1 else None


def _keeps_axes(array: Any, reshape: Any) -> bool:
    """Whether the result of a reshape has the first two axes of an array (B, T, K)."""
    own, shape = _shape(array), _shape(reshape.output(0))
    if len(shape) != AXES or shape[2].is_dynamic:
        return False
    known = [own[n].is_static and shape[n].is_static for n in (0, 1)]
    if any(known):  # the other axis follows from the number of elements
        return all(own[n] == shape[n] for n in (0, 1) if known[n])
    parts = reshape.input_value(1).get_node()
    if parts.get_type_name() != "Concat":
        return False
    first = parts.input_value(0).get_node()
    if first.get_type_name() != "Gather" or np.any(
        _values(first.input_value(1)) != np.array([0, 1])
    ):
        return False
    measured = first.input_value(0).get_node()
    return measured.get_type_name() == "ShapeOf" and _key(measured.input_value(0)) == _key(array)


class _Head(NamedTuple):
    """One head of attention.

    Attributes:
        arrays: query, key and value, each (B, T, D), and if there is one, what is added to the
            scores, (B, 1, T).
        start, stop: the part of D that it takes.
    """

    arrays: tuple[Any, ...]
    start: int
    stop: int


def _attention() -> tuple[Any, Build]:
    """Attention head by head on slices of (B, T, D): over all heads at once, (B, H, T, D / H)."""

    def build(root: Any, matched: Mapping[Any, Any]) -> Any:
        heads = [_head(root.input_value(n).get_node()) for n in range(root.get_input_size())]
        first = heads[0]
        if first is None:
            return None
        keys, size = list(map(_key, first.arrays)), first.stop
        for number, head in enumerate(heads):
            if head is None or list(map(_key, head.arrays)) != keys:
                return None
            if (head.start, head.stop) != (number * size, (number + 1) * size):
                return None
        return _all_heads(first.arrays, len(heads), size)

    return _op("Concat"), build


def _all_heads(arrays: tuple[Any, ...], count: int, size: int) -> Any:
    query, key, value, *bias = arrays
    order = np.array([0, 2, 1, 3])

    def split(array: Any) -> Any:
        return ops.transpose(ops.reshape(array, np.array([0, 0, count, size]), True), order)

    scores = ops.matmul(split(query), split(key), False, True)
    if bias:
        scores = ops.add(scores, ops.unsqueeze(bias[0], np.array([1])))
    mixed = ops.matmul(ops.softmax(scores, -1), split(value), False, False)
    return ops.reshape(ops.transpose(mixed, order), np.array([0, 0, count * size]), True)


def _head(mixed: Any) -> _Head | None:
    """The head whose output is a node; None if the node is something else."""
    if not _is_product(mixed, transposed=False):
        return None
    softmax = mixed.input_value(0).get_node()
    if softmax.get_type_name() != "Softmax" or softmax.get_attributes()["axis"] not in (-1, 2):
        return None
    scores = softmax.input_value(0).get_node()
    bias: tuple[Any, ...] = ()
    if scores.get_type_name() == "Add":
        bias = (scores.input_value(1),)
        scores = scores.input_value(0).get_node()
    if not _is_product(scores, transposed=True) or any(
        len(_shape(output)) != AXES for output in bias
    ):
        return None
    slices = [
        _slice(each)
        for each in (scores.input_value(0), scores.input_value(1), mixed.input_value(1))
    ]
    first = slices[0]
    if first is None or any(part is None or part[1:] != first[1:] for part in slices):
        return None
    return _Head((*(part[0] for part in slices if part), *bias), *first[1:])


def _is_product(node: Any, *, transposed: bool) -> bool:
    """Whether a node multiplies matrices, the second transposed or not."""
    if node.get_type_name() != "MatMul":
        return False
    return bool(node.get_attributes() == {"transpose_a": False, "transpose_b": transposed})


def _slice(output: Any) -> tuple[Any, int, int] | None:
    """(array, start, stop) of a slice of the last axis of an array (B, T, D), or None."""
    node = output.get_node()
    if node.get_type_name() != "StridedSlice" or len(_shape(node.input_value(0))) != AXES:
        return None
    attributes = node.get_attributes()
    masks = [
        (*attributes[f"{name}_mask"], 0, 0, 0)[:AXES]
        for name in ("begin", "end", "new_axis", "shrink_axis", "ellipsis")
    ]
    if masks != [(1, 1, 0), (1, 1, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0)]:
        return None
    start, stop, steps = (_values(node.input_value(number)) for number in (1, 2, 3))
    if start is None or stop is None or steps is None or list(steps) != [1, 1, 1]:
        return None
    return node.input_value(0), int(start[2]), int(stop[2])


def _shape(output: Any) -> Any:
    return output.get_partial_shape()


def _key(output: Any) -> tuple[str, int]:
    """A key that identifies an output within its network."""
    return output.get_node().get_name(), output.get_index()


def _values(output: Any) -> Any:
    """The values of a constant, also of one that is stored in another type; None if computed."""
    source = output.get_node()
    if source.get_type_name() == "Convert":
        source = source.input_value(0).get_node()
    return source.data if source.get_type_name() == "Constant" else None
