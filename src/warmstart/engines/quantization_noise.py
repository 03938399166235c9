"""Ranks the layers of a program by their quantisation noise in 8 bits, measured on real inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from warmstart.engines.calibration import FORWARD
from warmstart.engines.noise import quiet

STEPS = 255


def noisiest_layers(program: bytes, samples: Iterable[Mapping[str, np.ndarray]]) -> list[list[str]]:
    """The layers by the noise that 8 bits would add to their inputs and outputs, noisiest first.

    A tensor between `low` and `high` is rounded to steps of (high - low) / 255, which adds noise
    with a variance of step² / 12. This is taken relative to the variance of the tensor: a few
    outliers widen the range and make all other values coarse.

    Args:
        program: the float `.tflite`.
        samples: a few inputs of `forward`, of the same shapes.

    Returns:
        For each layer the names of its output tensors.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with quiet():  # without XNNPACK, which would not compute every tensor
        interpreter = Interpreter(
            model_content=program,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        inputs: Mapping[str, int] = interpreter._get_full_signature_list()[FORWARD]["inputs"]
        layers: list[dict[str, Any]] = interpreter._get_ops_details()
        names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    computed = set(inputs.values()) | {int(index) for layer in layers for index in layer["outputs"]}
    tensors = {index: _Range() for index in computed}
    for sample in samples:
        for name, index in inputs.items():
            interpreter.resize_tensor_input(index, sample[name].shape)
        interpreter.allocate_tensors()
        for name, index in inputs.items():
            interpreter.set_tensor(index, sample[name])
        interpreter.invoke()
        for index, values in tensors.items():
            values.add(interpreter.get_tensor(index))
    noise = {index: values.noise for index, values in tensors.items()}

    def layer_noise(layer: Mapping[str, Any]) -> float:
        return max(noise.get(int(index), 0.0) for index in (*layer["inputs"], *layer["outputs"]))

    ordered = sorted(layers, key=layer_noise, reverse=True)
    return [[names[int(index)] for index in layer["outputs"]] for layer in ordered]


class _Range:
    """The range and the variance of a tensor over several calls."""

    def __init__(self) -> None:
        self.low = self.high = 0.0  # a range for 8 bits includes 0
        self.count, self.sum, self.squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        if values.dtype != np.float32 or not values.size:
            return
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        self.count += values.size
        self.sum += float(values.sum(dtype=np.float64))
        self.squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def noise(self) -> float:
        """The noise of 8 bits, relative to the variance."""
        if not self.count:
            return 0.0
        variance = self.squares / self.count - (self.sum / self.count) ** 2
        return ((self.high - self.low) / STEPS) ** 2 / 12 / max(variance, 1e-12)
