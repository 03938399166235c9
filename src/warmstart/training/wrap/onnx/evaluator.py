"""Runs the nodes of an ONNX graph with TensorFlow operations, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from warmstart.errors import UsageError
from warmstart.training.wrap.onnx.graph import Graph, Node

Handler = Callable[["Evaluator", Node], Any]
HANDLERS: dict[str, Handler] = {}
"""Operator -> handler; the modules of operators fill it."""
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)
"""Permutations from (B, C, H, W) to channels last, and back."""


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Register the decorated function as the handler of operators."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(operators, handler))
        return handler

    return register


class ChannelsLast:
    """The result of a handler: a map with channels last."""

    def __init__(self, tensor: Any):
        self.tensor = tensor


class Evaluator:
    """Runs a graph once; has its arrays by name.

    A value is a numpy array if it does not depend on inputs, else a tensor. A map of four axes may
    be stored with channels first, as in ONNX, with channels last, or both.
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
            handler = HANDLERS[node.operator]
            known = [self._first.get(name) for name in node.inputs if name]
            if known and all(isinstance(one, np.ndarray) for one in known):
                with tf.init_scope():
                    results: Sequence[Any] = [
                        _constant(one) for one in _sequence(handler(self, node))
                    ]
            else:
                results = _sequence(handler(self, node))
            for name, result in zip(node.outputs, results, strict=False):
                if isinstance(result, ChannelsLast):
                    self._last[name] = result.tensor
                else:
                    self._first[name] = result
        return [self(port.name) for port in self.graph.outputs]

    def __call__(self, name: str) -> Any:
        """An array with its axes in the order of ONNX."""
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

    def constant(self, name: str, what: str) -> np.ndarray:
        """An array that does not depend on inputs.

        Raises:
            UsageError: it depends on the inputs.
        """
        value = self(name)
        if isinstance(value, np.ndarray):
            return value
        static = tf.get_static_value(value)
        if static is None:
            raise UsageError(
                f"The ONNX graph computes {what} from its inputs; export it with fixed input sizes."
            )
        return np.asarray(static)

    def optional(self, node: Node, index: int) -> Any:
        """An optional input; None if it is left out."""
        return self(node.inputs[index]) if has(node, index) else None

    def axes(self, node: Node, index: int = 1) -> list[int] | None:
        """The attribute or input `axes`; None if there is neither."""
        if "axes" in node.attributes:
            return [int(axis) for axis in node.attributes["axes"]]
        if has(node, index):
            return [int(axis) for axis in self.constant(node.inputs[index], "axes").ravel()]
        return None


def has(node: Node, index: int) -> bool:
    """Whether an optional input is present."""
    return len(node.inputs) > index and bool(node.inputs[index])


def _constant(result: Any) -> np.ndarray:
    """The result of a handler as a numpy array, with its axes in the order of ONNX."""
    is_last = isinstance(result, ChannelsLast)
    return np.asarray(tf.transpose(result.tensor, TO_FIRST) if is_last else result)


def _sequence(results: Any) -> Sequence[Any]:
    return results if isinstance(results, list | tuple) else [results]
