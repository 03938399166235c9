"""State of networks in bfloat16, such as the caches of a decoder.

numpy has no bfloat16, so arrays of uint16 hold the bits of the numbers: the upper half of those of
float32. A network that takes them reads half of the bytes, and converts nothing in each step.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from warmstart.engines.base import Engine, Session

BITS = np.dtype("uint16")


class BFloat16Session(Session):
    """A session that stores its state in bfloat16.

    Args:
        engine: takes arrays of `BITS` for inputs of float32.
        function: of the program.
        state: names of inputs of float32.
    """

    def __init__(self, engine: Engine, function: str, state: tuple[str, ...]):
        super().__init__(engine, function, state)
        self._dtypes |= dict.fromkeys(state, BITS.name)

    def write(self, name: str, index: Any, values: Any) -> None:
        super().write(name, index, to_bits(values))

    def read(self, name: str, index: Any) -> NDArray[np.float32]:
        return from_bits(super().read(name, index))

    def run(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        with self._engine._lock:
            return self._engine._run(self._function, {**self._arrays, **arrays})


def to_bits(values: Any) -> NDArray[np.uint16]:
    """The bits of float32 numbers, rounded to bfloat16; processors of OpenVINO are little-endian."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32) + np.uint32(0x8000)
    return bits.view(np.uint16)[..., 1::2]


def from_bits(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    """The float32 numbers of the bits of bfloat16."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def with_bfloat16_inputs(network: Any, tensors: Collection[str]) -> Any:
    """Change the type of inputs of a network of OpenVINO to bfloat16; returns the network.

    Args:
        network: as OpenVINO reads it.
        tensors: the names of the inputs.
    """
    from warmstart.engines.openvino_package import openvino

    for name in tensors:
        parameter = network.input(name).get_node()
        users = parameter.output(0).get_target_inputs()
        parameter.set_element_type(openvino.Type.bf16)
        converted = openvino.opset13.convert(parameter, "f32")
        for user in users:
            user.replace_source_output(converted.output(0))
    network.validate_nodes_and_infer_types()
    return network
