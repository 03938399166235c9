"""A network of OpenVINO that reads its weights from the file, without a copy in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from warmstart.engines import heap

LARGE = 2**16
"""Bytes of a constant; smaller ones need not be mapped."""


def map_constants(network: Any, path: Path) -> object:
    """Map the large constants of a network into memory from the `.tflite` file that it was read
    from, instead of OpenVINO's copies; returns what must live as long as the network.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    from warmstart.engines.openvino_package import openvino

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    file = Interpreter(str(path), experimental_op_resolver_type=plain)
    indices = {tensor["name"]: tensor["index"] for tensor in file.get_tensor_details()}
    for node in network.get_ops():
        index = indices.get(node.get_friendly_name())
        if index is None or node.get_type_name() != "Constant" or node.get_byte_size() < LARGE:
            continue
        values = file.tensor(index)()
        if (values.shape, values.dtype) == (node.data.shape, node.data.dtype):
            mapped = openvino.op.Constant(openvino.Tensor(values, shared_memory=True))
            node.output(0).replace(mapped.output(0))
    heap.trim()
    return file
