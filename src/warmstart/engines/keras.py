"""The reference engine: a Keras model run by TensorFlow through `tf.function`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from warmstart.engines.base import Engine, Signature, TensorSpec
from warmstart.engines.noise import quiet_import
from warmstart.errors import EngineUnavailableError, require


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
    """Named functions and the Keras model whose variables they use.

    Attributes:
        functions: the functions, by name.
        model: the model whose variables they use.
        saved_model_functions: builders, by name, of further `tf.function`s that only an exported
            SavedModel has, such as one that takes JPEG files: no other format can decode them.
    """

    functions: Mapping[str, Function]
    model: Any
    saved_model_functions: Mapping[str, Callable[[], Any]] = field(default_factory=dict)

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


def use_device(device: str) -> None:
    """Let TensorFlow use a device: `"auto"` what it sees, `"cpu"` no GPU in this process, `"gpu"` one
    that must be there.

    Raises:
        EngineUnavailableError: TensorFlow sees no GPU, or has started on one already.
    """
    if device == "auto":
        return
    require("tensorflow", extra="tensorflow", purpose=f"for device={device!r}")
    with quiet_import():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not gpus:
        build = "" if tf.test.is_built_with_cuda() else "; this TensorFlow was built without them"
        raise EngineUnavailableError(
            f"TensorFlow {tf.__version__} finds no GPU{build}. Leave out device='gpu', or "
            "see https://www.tensorflow.org/install/pip for what a GPU needs."
        )
    if device == "cpu" and gpus:
        try:
            tf.config.set_visible_devices([], "GPU")
        except RuntimeError as error:
            raise EngineUnavailableError(
                "TensorFlow has already started on the GPU; pass device='cpu' before that, "
                "or set CUDA_VISIBLE_DEVICES= before Python starts."
            ) from error


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
