"""The reference engine: a Keras model run by TensorFlow through `tf.function`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from warmstart.engines.base import Engine, Signature, TensorSpec


@dataclass(frozen=True)
class Function:
    """One function of a program, before compilation: a Keras call, its inputs, and its output
    names.

    `call` takes one tensor per input, in order, and returns a dict of tensors.
    """

    call: Callable[..., Mapping[str, Any]]
    inputs: tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Program:
    """Named functions and the Keras model whose variables they use."""

    functions: Mapping[str, Function]
    model: Any

    @cached_property
    def traced(self) -> Mapping[str, Any]:
        """The functions as `tf.function`s with fixed input signatures: traced once, because it
        takes seconds.
        """
        import tensorflow as tf

        def trace(function: Function) -> Any:
            signature = [
                tf.TensorSpec(
                    [None if isinstance(d, str) else d for d in spec.shape],
                    spec.dtype,
                    name=spec.name,
                )
                for spec in function.inputs
            ]
            return tf.function(function.call, input_signature=signature, autograph=False)

        return {name: trace(function) for name, function in self.functions.items()}


class KerasEngine(Engine):
    """Runs a program without compiling it to an artifact; imports TensorFlow."""

    name = "keras"

    def __init__(self, program: Program):
        self._traced = program.traced
        super().__init__(
            {name: _signature(program.functions[name], f) for name, f in self._traced.items()}
        )

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        ordered = [arrays[spec.name] for spec in self.signatures[function].inputs]
        return {name: np.array(value) for name, value in self._traced[function](*ordered).items()}


def _signature(function: Function, traced: Any) -> Signature:
    """Read the outputs' dtypes and shapes from the traced graph; dynamic ones are named as in the
    inputs.
    """
    outputs = traced.get_concrete_function().structured_outputs
    dynamic = [d for spec in function.inputs for d in spec.shape if isinstance(d, str)]

    def shape(tensor: Any) -> tuple[int | str, ...]:
        names = iter(dict.fromkeys(dynamic))
        return tuple(next(names, "any") if d is None else int(d) for d in tensor.shape)

    return Signature(
        function.inputs,
        tuple(
            TensorSpec(name, tensor.dtype.name, shape(tensor))
            for name, tensor in sorted(outputs.items())
        ),
    )
