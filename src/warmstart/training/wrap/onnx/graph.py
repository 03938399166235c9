"""An ONNX file: its nodes, its constants, its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.errors import UsageError, first_line, require

LARGEST_FILE = 2**31
FIRST_OPSET = 9
"""In older opsets some operators have other meanings."""
DOMAINS = ("", "ai.onnx")


@dataclass(frozen=True)
class Node:
    """An operator with the names of its inputs ("" if one is left out) and outputs."""

    operator: str
    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """An input or output of a graph; None in its shape is a dynamic axis."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """The contents of an ONNX file."""

    nodes: Sequence[Node]
    constants: Mapping[str, np.ndarray]
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    opset: int

    @property
    def rows(self) -> int | None:
        """The batch size; None if it is dynamic."""
        return self.inputs[0].shape[0]

    def producer(self, name: str) -> Node | None:
        """The node that computes an array."""
        return next((node for node in self.nodes if name in node.outputs), None)


def read(path: Path) -> Graph:
    """The graph of an ONNX file.

    Raises:
        UsageError: it is not one, is too new or too old, or has operators of other domains.
        MissingPackageError: the package onnx is not installed.
    """
    require("onnx", extra="onnx", purpose="to read ONNX files")
    import onnx

    if path.stat().st_size > LARGEST_FILE:
        raise UsageError(f"{path} is larger than 2 GiB; ONNX files of that size are not supported.")
    try:
        proto = onnx.load(str(path))  # external data is checked by onnx
        onnx.checker.check_model(proto)
        proto = onnx.shape_inference.infer_shapes(proto)
    except Exception as error:  # protobuf, onnx and the file system raise their own
        raise UsageError(f"{path} cannot be read as ONNX: {first_line(error)}") from error
    return of(proto, path)


def of(proto: Any, path: Path) -> Graph:
    """The graph of a model in memory; errors are those of `read`."""
    import onnx

    opset = next((opset.version for opset in proto.opset_import if opset.domain in DOMAINS), 0)
    if opset < FIRST_OPSET:
        raise UsageError(f"{path} uses ONNX opset {opset}; export it with {FIRST_OPSET} or later.")
    graph = proto.graph
    if foreign := sorted({node.domain for node in graph.node} - set(DOMAINS)):
        raise UsageError(
            f"{path} has operators of the domain {foreign[0]!r}; only ONNX's own are supported."
        )
    constants = {
        tensor.name: np.array(onnx.numpy_helper.to_array(tensor)) for tensor in graph.initializer
    }
    nodes = [
        Node(
            node.op_type,
            node.name,
            tuple(node.input),
            tuple(node.output),
            {attribute.name: _attribute(attribute) for attribute in node.attribute},
        )
        for node in graph.node
    ]
    return Graph(
        nodes,
        constants,
        [_port(value, path) for value in graph.input if value.name not in constants],
        [_port(value, path) for value in graph.output],
        opset,
    )


def _attribute(attribute: Any) -> Any:
    """The value of an attribute: numbers, texts, lists of them, arrays."""
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if attribute.type == onnx.AttributeProto.STRINGS:
        return [item.decode("utf-8", "replace") for item in value]
    if isinstance(value, onnx.TensorProto):
        return np.array(onnx.numpy_helper.to_array(value))
    return value


def _port(value: Any, path: Path) -> Port:
    import onnx

    tensor = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not tensor.HasField("shape"):
        raise UsageError(f"{path}: the shape of {value.name[:60]!r} is not known.")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)).name
    sides = (side.dim_value if side.HasField("dim_value") else None for side in tensor.shape.dim)
    return Port(value.name, dtype, tuple(None if side in (None, 0) else side for side in sides))
