"""A `.tflite` file as a checkpoint: its constants by the names of their tensors, dequantised.

LiteRT's own interpreter reads the file; no operator is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from warmstart.checkpoints.base import Checkpoint
from warmstart.checkpoints.naming import unique
from warmstart.errors import CorruptCheckpointError, UnsafeCheckpointError

IDENTIFIER = b"TFL3"
"""Bytes 4 to 8 of a `.tflite` file."""
QUANTIZATION = ("scales", "zero_points", "quantized_dimension")
WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
POOLING = ("AVERAGE_POOL_2D", "MEAN")
ARITHMETIC = ("ADD", "SUB", "MUL", "DIV")
MAX_TENSORS = 200_000


class Constant(NamedTuple):
    """A tensor with numbers of its own: its indices in the file, and how it is quantised."""

    subgraph: int
    tensor: int
    shape: tuple[int, ...]
    dtype: str
    scales: np.ndarray
    zero_points: np.ndarray
    axis: int


class Kernel(NamedTuple):
    """An operation with a kernel.

    Attributes:
        operation: its name in LiteRT.
        kernel, bias: the names of its constants.
        before: indices of the kernels whose outputs it takes, directly or through operations
            without a kernel.
        pools: whether some of these average over the map.
    """

    operation: str
    kernel: str
    bias: str | None
    before: frozenset[int]
    pools: bool


class TFLiteCheckpoint(Checkpoint):
    """The constants of a `.tflite` file; integers that have a scale are read as float32.

    Raises:
        CorruptCheckpointError: LiteRT does not open the file.
    """

    layout = "tflite"

    def __init__(self, path: Path):
        self.path = path
        try:
            self._interpreter: Any = open_interpreter(path)
        except (ValueError, RuntimeError) as error:
            raise CorruptCheckpointError(
                f"{path} is damaged or not a program of LiteRT ({error}); fetch it again."
            ) from error
        self._constants = _constants(self._interpreter, path)

    def names(self) -> list[str]:
        return list(self._constants)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._constants[name].shape

    def dtype(self, name: str) -> str:
        constant = self._constants[name]
        return "float32" if constant.scales.size else constant.dtype

    def read(self, name: str) -> np.ndarray:
        constant = self._constants[name]
        if self._interpreter is None:
            raise ValueError(f"{self.path} is closed")
        stored: np.ndarray = self._interpreter.get_tensor(constant.tensor, constant.subgraph)
        return dequantised(stored, constant) if constant.scales.size else stored

    def kernels(self) -> list[Kernel]:
        """The convolutions and dense operations of the first function that have constant kernels,
        in their order.
        """
        names = {
            constant.tensor: name
            for name, constant in self._constants.items()
            if constant.subgraph == 0
        }
        kernels: list[Kernel] = []
        # of each tensor, the kernels that it depends on, and whether it was pooled since
        sources: dict[int, tuple[frozenset[int], bool]] = {}
        for operation in self._interpreter._get_ops_details():
            inputs = [int(index) for index in operation["inputs"]]
            outputs = [int(index) for index in operation["outputs"]]
            if operation["op_name"] == "DEQUANTIZE" and inputs[0] in names:
                names[outputs[0]] = names[inputs[0]]
            known = [sources[index] for index in inputs if index in sources]
            before = frozenset().union(*(kernels_before for kernels_before, _ in known))
            pools = any(pooled for _, pooled in known) or operation["op_name"] in POOLING
            if operation["op_name"] in WITH_KERNEL and len(inputs) > 1 and inputs[1] in names:
                bias = names.get(inputs[2]) if len(inputs) > 2 else None
                kernels.append(Kernel(operation["op_name"], names[inputs[1]], bias, before, pools))
                before, pools = frozenset({len(kernels) - 1}), False
            sources |= dict.fromkeys(outputs, (before, pools))
        return kernels

    def scaling(self) -> list[str]:
        """The operations by which the first function scales its input, before any kernel."""
        names = [operation["op_name"] for operation in self._interpreter._get_ops_details()]
        first = next((index for index, name in enumerate(names) if name in WITH_KERNEL), 0)
        return [name for name in names[:first] if name in ARITHMETIC]

    def close(self) -> None:
        self._interpreter = None


def open_interpreter(path: Path) -> Any:
    """LiteRT's interpreter of a `.tflite` file, to read it: it runs nothing.

    Raises:
        RuntimeError, ValueError: LiteRT does not open the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(str(path), experimental_op_resolver_type=plain)


def dequantised(stored: np.ndarray, constant: Constant) -> np.ndarray:
    """The numbers of a quantised tensor: scale * (stored - zero point), for each channel of its
    axis.
    """
    along = [1] * stored.ndim
    if constant.scales.size > 1:
        along[constant.axis] = constant.scales.size
    scales = constant.scales.astype(np.float64).reshape(along)
    zero_points = constant.zero_points.astype(np.float64).reshape(along)
    return ((stored - zero_points) * scales).astype(np.float32)


def _constants(interpreter: Any, path: Path) -> dict[str, Constant]:
    """The constants of all functions, by name; later ones of the same name get a number."""
    constants: list[tuple[str, Constant]] = []
    for subgraph in range(interpreter.num_subgraphs()):
        details = interpreter.get_tensor_details(subgraph)
        if len(constants) + len(details) > MAX_TENSORS:
            raise UnsafeCheckpointError(f"{path} is refused: more than {MAX_TENSORS:,} tensors.")
        for tensor in details:
            try:
                stored = interpreter.get_tensor(tensor["index"], subgraph)
            except ValueError:  # before memory is allocated, only constants have data
                continue
            constant = Constant(
                subgraph,
                tensor["index"],
                stored.shape,
                stored.dtype.name,
                *(tensor["quantization_parameters"][key] for key in QUANTIZATION),
            )
            constants.append((tensor["name"], constant))
    names = unique(name for name, _ in constants)
    return dict(zip(names, (constant for _, constant in constants), strict=True))
