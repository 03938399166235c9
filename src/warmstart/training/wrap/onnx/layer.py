"""An ONNX graph as one layer, and as a Keras model with named inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from warmstart.errors import UsageError
from warmstart.training.wrap.onnx import arithmetic, convolutions, recurrent, shapes
from warmstart.training.wrap.onnx.evaluator import HANDLERS, Evaluator
from warmstart.training.wrap.onnx.graph import Graph

OPERATORS = (arithmetic, convolutions, recurrent, shapes)
"""The modules that register their handlers in `HANDLERS` when imported."""
SMALL = 64
"""Constants of at most this size may be shapes or limits, and stay in the graph."""
ACTIVATIONS = {"Softmax": "softmax", "Sigmoid": "sigmoid"}


class GraphLayer(keras.layers.Layer):
    """Runs a graph; its weights are the larger constants.

    Attributes:
        activation: the last activation before its only output, as for a Keras layer.
    """

    def __init__(self, graph: Graph, names: Sequence[str], **options: Any):
        super().__init__(**options)
        if unknown := sorted({node.operator for node in graph.nodes} - HANDLERS.keys()):
            noun = "operators" if len(unknown) > 1 else "operator"
            verb = "are" if len(unknown) > 1 else "is"
            raise UsageError(
                f"The ONNX {noun} {', '.join(unknown[:8])} {verb} not supported; convert the model "
                "to a SavedModel folder, or run it with ONNX Runtime itself."
            )
        self.graph, self._names = graph, names
        self._constants: dict[str, Any] = {}
        for name, value in graph.constants.items():
            is_weight = value.dtype == np.float32 and value.size > SMALL
            self._constants[name] = self._weight(name, value) if is_weight else value
        last = graph.producer(graph.outputs[0].name)
        own = ACTIVATIONS.get(last.operator) if last and len(graph.outputs) == 1 else None
        self.activation = getattr(keras.activations, own) if own else None
        self.built = True

    def _weight(self, name: str, value: np.ndarray) -> Any:
        return self.add_weight(
            shape=value.shape,
            initializer=lambda shape, dtype=None: value,
            trainable=False,
            name=re.sub(r"\W+", "_", name),
        )

    def call(self, inputs: Sequence[Any]) -> Any:
        import tensorflow as tf

        ports = zip(self.graph.inputs, inputs, strict=True)
        values = {port.name: tf.cast(tensor, port.dtype) for port, tensor in ports}
        for name, value in self._constants.items():
            values[name] = value if isinstance(value, np.ndarray) else value.value
        outputs = Evaluator(self.graph, values).run()
        return dict(zip(self._names, outputs, strict=True))

    def compute_output_spec(self, inputs: Any) -> Mapping[str, Any]:
        ports = zip(self._names, self.graph.outputs, strict=True)
        return {
            name: keras.KerasTensor((None, *port.shape[1:]), port.dtype) for name, port in ports
        }

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("an ONNX graph has no Keras config")


def model_of(graph: Graph, name: str) -> keras.Model:
    """A graph as a Keras model; its inputs and outputs have the names of the graph.

    Raises:
        UsageError: it takes batches of a fixed size above 1, or has operators that are not
            supported.
    """
    for port in graph.inputs:
        if not port.shape or port.shape[0] not in (None, 1):
            raise UsageError(
                f"The input {port.name[:60]!r} takes {list(port.shape)}: export the model for one "
                "input, or for batches of any size."
            )
    inputs = {
        _safe_name(port.name): keras.Input(
            port.shape[1:], dtype=port.dtype, name=_safe_name(port.name)
        )
        for port in graph.inputs
    }
    names = [_safe_name(port.name) for port in graph.outputs]
    if len({*names}) < len(names) or len(inputs) < len(graph.inputs):
        raise UsageError("Two inputs or outputs of the graph have the same name.")
    layer = GraphLayer(graph, names, name="onnx")
    return keras.Model(inputs, layer(list(inputs.values())), name=name)


def _safe_name(name: str) -> str:
    return re.sub(r"\W+", "_", name).strip("_") or "array"
