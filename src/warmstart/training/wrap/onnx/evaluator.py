"""Runs the nodes of an ONNX graph with TensorFlow operations, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from warmstart.errors import UsageError
from warmstart.training.wrap.onnx.graph import Graph, Node

Handler = Callable[["Operation"], Any]
HANDLERS: dict[str, Handler] = {}
"""Handlers by operator, registered by the modules of operators."""
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Permutations from (B, C, H, W) to channels last, and back."""


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of operators."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(operators, handler))
        return handler

    return register


class ChannelsLast:
    """A map with channels last, as the result of a handler."""

    def __init__(self, tensor: Any):
        self.tensor = tensor


class Evaluator:
    """Runs a graph once, and stores its arrays by name.

    A value is a numpy array if it does not depend on inputs, and a tensor otherwise. Maps of four
    axes are stored with channels first, as in ONNX, with channels last, or both.
    """

    def __init__(self, graph: Graph, values: Mapping[str, Any]):
        self.graph = graph
        self._first: dict[str, Any] = dict(values)
        self._last: dict[str, Any] = {}
        self.sides: dict[str, tuple[int | None, ...]] = {}
        """The statically known sides in the outputs of the operator Shape."""

    def run(self) -> list[Any]:
        """The outputs of the graph, from the values of its inputs and constants."""
        for node in self.graph.nodes:
            handler, operation = HANDLERS[node.operator], Operation(self, node)
            inputs = [self._first.get(name) for name in node.inputs if name]
            if inputs and all(isinstance(value, np.ndarray) for value in inputs):
                with tf.init_scope():
                    results: Sequence[Any] = list(map(_constant, _sequence(handler(operation))))
            else:
                results = _sequence(handler(operation))
            for name, result in zip(node.outputs, results, strict=False):
                if isinstance(result, ChannelsLast):
                    self._last[name] = result.tensor
                else:
                    self._first[name] = result
        return [self(port.name) for port in self.graph.outputs]

    def __call__(self, name: str) -> Any:
        """An array with ONNX's order of axes."""
        if name not in self._first:
            self._first[name] = tf.transpose(self._last[name], TO_FIRST)
        return self._first[name]

    def last(self, name: str) -> Any:
        """A map with channels last, (B, H, W, C)."""
        if name not in self._last:
            self._last[name] = tf.transpose(self._first[name], TO_LAST)
        return self._last[name]

    def is_last(self, name: str) -> bool:
        """Whether an array is stored with channels last."""
        return name in self._last


class Operation:
    """A node with the values of its inputs; `operation[0]` is the first, with ONNX's order of axes."""

    def __init__(self, run: Evaluator, node: Node):
        self.run, self.node, self.operator = run, node, node.operator
        self.input = node.inputs[0] if node.inputs else ""

    def __getitem__(self, index: int) -> Any:
        return self.run(self.node.inputs[index])

    @property
    def values(self) -> list[Any]:
        """All inputs, with ONNX's order of axes."""
        return [self.run(name) for name in self.node.inputs]

    @property
    def is_last(self) -> bool:
        """Whether the first input is stored with channels last."""
        return self.run.is_last(self.input)

    @property
    def last(self) -> Any:
        """The first input with channels last."""
        return self.run.last(self.input)

    def map(self, function: Callable[[Any], Any]) -> Any:
        """The result of an elementwise function of the first input, in the order of axes in which
        that is stored.
        """
        return ChannelsLast(function(self.last)) if self.is_last else function(self[0])

    def get(self, key: str, default: Any = None) -> Any:
        """An attribute."""
        return self.node.attributes.get(key, default)

    def has(self, index: int) -> bool:
        """Whether an optional input is present."""
        return len(self.node.inputs) > index and bool(self.node.inputs[index])

    def optional(self, index: int) -> Any:
        """An optional input, or None."""
        return self[index] if self.has(index) else None

    def constant(self, index: int, what: str) -> np.ndarray:
        """An input that does not depend on the inputs of the graph.

        Raises:
            UsageError: it depends on them.
        """
        value = self[index]
        if isinstance(value, np.ndarray):
            return value
        static = tf.get_static_value(value)
        if static is None:
            raise UsageError(
                f"The ONNX graph computes {what} from its inputs; export it with fixed input sizes."
            )
        return np.asarray(static)

    def axes(self, index: int = 1) -> list[int] | None:
        """The attribute or input `axes`, or None."""
        axes = self.get("axes")
        if axes is None and self.has(index):
            axes = self.constant(index, "axes").ravel()
        return None if axes is None else [int(axis) for axis in axes]


def _constant(result: Any) -> np.ndarray:
    """The result of a handler as a numpy array with ONNX's order of axes."""
    is_last = isinstance(result, ChannelsLast)
    return np.asarray(tf.transpose(result.tensor, TO_FIRST) if is_last else result)


def _sequence(results: Any) -> Sequence[Any]:
    return results if isinstance(results, list | tuple) else [results]
