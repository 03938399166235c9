"""Read a network of OpenVINO whose weights stay in the mapped `.tflite` file, without a copy in memory.

OpenVINO reads a `.tflite` file into memory twice: the file and its constants. So the graph is stored
without large constants, and later processes read only that.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.checkpoints.tflite import open_interpreter
from warmstart.engines import heap
from warmstart.engines.mapped_files import map_file
from warmstart.engines.openvino_cache import NetworkCache
from warmstart.engines.tflite_functions import file_of

LARGE = 2**16
"""Bytes of a constant; smaller ones need not be mapped."""
PREFIX = "constant at "
"""In the name of an input that replaces a constant, before its offset in the file."""
SEARCHED = 4096
"""Bytes of the largest constant that are searched for in the file."""


def read_mapped(
    core: Any, path: Path, function: str, count: int, cache: NetworkCache | None
) -> tuple[Any, mmap.mmap]:
    """The network of a function of a `.tflite` file.

    Args:
        core: of OpenVINO.
        path: the file.
        function: its name.
        count: the number of functions of the file.
        cache: of the program; None: nothing is stored.

    Returns:
        The network and the mapped file, which must live as long as it.

    Raises:
        OSError: the file cannot be read.
        RuntimeError, ValueError: OpenVINO or LiteRT cannot read it.
    """
    memory = map_file(path)
    graph = cache.load_graph(core, function) if cache else None
    if graph is None:
        with file_of(path, function, count) as file:
            graph = core.read_model(str(file))
            _detach(graph, file, memory)
        heap.trim()
        if cache:
            cache.save_graph(graph, function)
    _attach(graph, memory)
    return graph, memory


def _detach(graph: Any, path: Path, memory: mmap.mmap) -> None:
    """Replace large constants by inputs, named after the offset of the constant in the file."""
    from warmstart.engines.openvino_package import openvino

    inputs = []
    for node, offset in _offsets(list(_constants(graph, path)), memory):
        constant = openvino.opset13.parameter(list(node.shape), node.get_element_type())
        constant.set_friendly_name(f"{PREFIX}{offset}")
        node.output(0).replace(constant.output(0))
        inputs.append(constant)
    graph.add_parameters(inputs)


def _constants(graph: Any, path: Path) -> Iterator[tuple[Any, NDArray[Any]]]:
    """The nodes of large constants, and their values as LiteRT maps them."""
    file = open_interpreter(path)
    indices = {tensor["name"]: tensor["index"] for tensor in file.get_tensor_details()}
    for node in graph.get_ops():
        index = indices.get(node.get_friendly_name())
        if index is None or node.get_type_name() != "Constant" or node.get_byte_size() < LARGE:
            continue
        values = file.tensor(index)()
        if (values.shape, values.dtype) == (node.data.shape, node.data.dtype):
            yield node, values


def _offsets(
    constants: list[tuple[Any, NDArray[Any]]], memory: mmap.mmap
) -> Iterator[tuple[Any, int]]:
    """The nodes of the constants that are in the file, and their offsets.

    The largest is searched for; the others have the same distance to it as in LiteRT's memory.
    """
    if not constants:
        return
    largest = max((values for _, values in constants), key=lambda values: values.nbytes)
    begin = memory.find(_bytes(largest)[:SEARCHED].tobytes())
    if begin < 0:
        return
    content = np.frombuffer(memory, np.uint8)
    for node, values in constants:
        offset = begin + values.ctypes.data - largest.ctypes.data
        stored = content[max(offset, 0) :][: values.nbytes]
        if offset >= 0 and np.array_equal(stored, _bytes(values)):
            yield node, offset


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The bytes of an array, without a copy."""
    return values.reshape(-1).view(np.uint8)


def _attach(graph: Any, memory: mmap.mmap) -> None:
    """Replace these inputs by the constants, which are mapped."""
    from warmstart.engines.openvino_package import openvino

    for node in graph.get_parameters():
        name = node.get_friendly_name()
        if name.startswith(PREFIX):
            shape, dtype = list(node.shape), node.get_element_type()
            offset = int(name.removeprefix(PREFIX))
            values = np.frombuffer(memory, dtype.to_dtype(), int(np.prod(shape)), offset)
            mapped = openvino.op.Constant(openvino.Tensor(values, shape, dtype))
            node.output(0).replace(mapped.output(0))
            graph.remove_parameter(node)
