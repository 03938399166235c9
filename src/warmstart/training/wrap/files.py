"""`.onnx` and `.tflite` files as Keras models, verified against ONNX Runtime and LiteRT."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

from warmstart.engines import onnx_files
from warmstart.engines.base import PROBED, Signature, TensorSpec
from warmstart.engines.onnxruntime import require_library
from warmstart.engines.parity import TOLERANCE, differences
from warmstart.errors import CompileError, UsageError, first_line, require
from warmstart.training.wrap.onnx import graph as onnx_graph
from warmstart.training.wrap.onnx.graph import Graph
from warmstart.training.wrap.onnx.layer import model_of

Run = Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]]
"""Computes the outputs of a file from its inputs, both in the file's order."""
AXES = {4: ("batch", "rows", "columns")}
"""Names of dynamic axes by rank, for the sizes of probes."""
TEXT_AXES = ("batch", "tokens")
PREFIX, SUFFIX = "serving_default_", ":0"
"""Added by TensorFlow's converter to the names of inputs."""


def onnx_model(path: Path, name: str) -> tuple[keras.Model, int | None]:
    """(the model of an ONNX file, its batch size or None for any).

    Raises:
        UsageError: it cannot be read, or has operators that are not supported.
        CompileError: TensorFlow's outputs differ from those of ONNX Runtime.
    """
    require("onnx", extra="onnx", purpose="to wrap ONNX files")
    require_library("to wrap ONNX files")
    read = onnx_graph.read(path)
    model = model_of(read, name)
    run = onnx_files.runner(path)

    def reference(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        names = [port.name for port in read.inputs]
        outputs = run(dict(zip(names, arrays, strict=True)))
        return [outputs[port.name] for port in read.outputs]

    _check(model, read, reference, path, "ONNX Runtime")
    return model, read.rows


def tflite_model(path: Path, name: str) -> tuple[keras.Model, int | None]:
    """(the model of a `.tflite` file, its batch size or None for any).

    Raises:
        UsageError: it is not a `.tflite` file, is quantised to 8 bits, or has operators that are
            not supported.
        CompileError: TensorFlow's outputs differ from those of LiteRT.
    """
    require("tf2onnx", "onnx", extra="onnx", purpose="to wrap .tflite files")
    signature, run = _interpreted(path)
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "model.onnx"
        try:
            onnx_files.from_tflite(path, signature, converted)
        except Exception as error:  # tf2onnx raises whatever its passes raise
            raise UsageError(
                f"{path} has operators that are not supported ({first_line(error)}); wrap the Keras "
                "model or the SavedModel folder that it was converted from."
            ) from error
        read = onnx_graph.read(converted)
    order = [spec.name for spec in signature.inputs]
    outputs = [spec.name for spec in signature.outputs]

    def reference(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        by_name = dict(zip([port.name for port in read.inputs], arrays, strict=True))
        results = dict(zip(outputs, run([by_name[name] for name in order]), strict=True))
        return [results[port.name] for port in read.outputs]

    rows = signature.inputs[0].shape[0]
    model = model_of(read, name)
    _check(model, read, reference, path, "LiteRT")
    return model, rows if isinstance(rows, int) else None


def _interpreted(path: Path) -> tuple[Signature, Run]:
    """The signature of a `.tflite` file, and a function that runs it with LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    from warmstart.engines.noise import quiet

    try:
        with quiet():
            interpreter = Interpreter(str(path))
            names = list(interpreter.get_signature_list())
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(f"{path} is not a .tflite file that LiteRT can run: {first}") from error
    if names:
        runner = interpreter.get_signature_runner(names[0])
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
    else:
        inputs = {_short(tensor["name"]): tensor for tensor in interpreter.get_input_details()}
        outputs = {_short(tensor["name"]): tensor for tensor in interpreter.get_output_details()}
    for details in (*inputs.values(), *outputs.values()):
        if np.dtype(details["dtype"]).itemsize == 1 and details["quantization"][0]:
            raise UsageError(
                f"{path} takes or returns 8-bit numbers: it was quantised. Wrap the float32 "
                "model that it was converted from; `precision='int8'` quantises the weights "
                "again."
            )
    signature = Signature(_specs(inputs), _specs(outputs))

    @quiet()
    def run(arrays: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        if names:
            results = runner(**dict(zip(inputs, arrays, strict=True)))
            return [results[name] for name in outputs]
        for details, array in zip(inputs.values(), arrays, strict=True):
            interpreter.resize_tensor_input(details["index"], array.shape)
        interpreter.allocate_tensors()
        for details, array in zip(inputs.values(), arrays, strict=True):
            interpreter.set_tensor(details["index"], array)
        interpreter.invoke()
        return [interpreter.get_tensor(details["index"]) for details in outputs.values()]

    return signature, run


def _specs(details: Mapping[str, Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    specs = []
    for name, tensor in details.items():
        sides = tensor.get("shape_signature")
        sides = tensor["shape"] if sides is None or not len(sides) else sides
        shape = [int(side) if side > 0 else f"side_{axis}" for axis, side in enumerate(sides)]
        specs.append(
            TensorSpec(name, np.dtype(tensor["dtype"]).name, tuple(shape), tensor=tensor["name"])
        )
    return tuple(specs)


def _short(name: str) -> str:
    return name.removeprefix(PREFIX).removesuffix(SUFFIX)


def _check(model: keras.Model, graph: Graph, reference: Run, path: Path, other: str) -> None:
    """Compare a model with a reference implementation of its file, on one random input.

    Raises:
        UsageError: an option of an operator is not supported.
        CompileError: they differ.
    """
    random = np.random.default_rng(0)
    arrays = []
    for port in graph.inputs:
        axes = AXES.get(len(port.shape), TEXT_AXES)
        named = [axes[axis] if axis < len(axes) else "" for axis in range(len(port.shape))]
        sides = zip(port.shape, named, strict=True)
        shape = tuple(1 if n == "batch" else s or PROBED.get(n, 8) for s, n in sides)
        spec = TensorSpec(port.name, port.dtype, shape)
        is_mask = "mask" in port.name
        arrays.append(np.ones(shape, port.dtype) if is_mask else spec.probe(random, {}))
    inputs = dict(zip(model.input, arrays, strict=True))
    with _plain_errors():
        outputs = model(inputs, training=False)
    actual = {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
    expected = dict(zip(outputs, map(np.asarray, reference(arrays)), strict=True))
    worst = max(differences(actual, expected).values())
    if not worst <= TOLERANCE:
        raise CompileError(
            f"{path}: the result of TensorFlow differs from that of {other} by {worst:.2g} "
            f"(allowed: {TOLERANCE:g}), so it cannot be wrapped. Wrap the model that it was "
            "converted from."
        )


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Errors of layers without Keras' description of the call."""
    was_on = keras.config.is_traceback_filtering_enabled()
    keras.config.disable_traceback_filtering()
    try:
        yield
    finally:
        if was_on:
            keras.config.enable_traceback_filtering()
