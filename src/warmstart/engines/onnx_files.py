"""Write ONNX files with tf2onnx, under the names of the program, and run them with ONNX Runtime."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.engines.base import Signature

OPSET = 17  # read by every runtime since 2022


def from_tflite(tflite: Path, signature: Signature, path: Path) -> None:
    """Convert a `.tflite` of one function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tf2onnx

        _register_gelu()
        proto, _ = tf2onnx.convert.from_tflite(str(tflite), opset=OPSET)
    specs = (*signature.inputs, *signature.outputs)
    names = {spec.tensor: spec.name for spec in specs}
    if len(names) < len(specs):
        raise ValueError("two inputs or outputs are one tensor of the .tflite")
    _write(proto, names, signature, path)


def from_function(program: Any, name: str, signature: Signature, path: Path) -> None:
    """Convert the traced function itself."""
    function = program.traced[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tf2onnx

        _register_gelu()
        proto, _ = tf2onnx.convert.from_function(function, function.input_signature, opset=OPSET)
    # Constants of a layer that are not variables (EfficientNet's Normalization) become inputs.
    graph = function.get_concrete_function().graph
    values = {
        inside.name: captured.numpy()
        for captured, inside in graph.captures
        if captured.dtype != "resource"
    }
    _write(proto, {}, signature, path, values)


@cache
def _register_gelu() -> None:
    """Register handlers for the two operators of GELU that tf2onnx lacks.

    ONNX has Gelu only from opset 20 on; Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016):
    x Φ(x) = x/2 (1 + erf(x/√2)), or with tanh in place of erf if `approximate` is set.
    """
    from tf2onnx.handler import tf_op

    def constant(graph: Any, value: float) -> str:
        from tf2onnx.utils import make_name

        return str(graph.make_const(make_name("gelu"), np.array(value, np.float32)).output[0])

    def replace(graph: Any, node: Any, steps: Callable[..., str]) -> None:
        (x,), output = node.input, node.output[0]
        shapes, dtypes = [graph.get_shape(output)], [graph.get_dtype(output)]
        graph.remove_node(node.name)

        def make(operator: str, *inputs: str | float) -> str:
            names = [
                value if isinstance(value, str) else constant(graph, value) for value in inputs
            ]
            return str(graph.make_node(operator, names).output[0])

        graph.make_node(
            "Identity", [steps(make, x)], outputs=[output], shapes=shapes, dtypes=dtypes
        )

    def erfc(graph: Any, node: Any, **_: Any) -> None:
        replace(graph, node, lambda make, x: make("Sub", 1.0, make("Erf", x)))

    def gelu(graph: Any, node: Any, **_: Any) -> None:
        approximate = bool(node.get_attr_value("approximate"))

        def steps(make: Callable[..., str], x: str) -> str:
            if approximate:
                cube = make("Mul", 0.044715, make("Mul", x, make("Mul", x, x)))
                bell = make("Tanh", make("Mul", math.sqrt(2 / math.pi), make("Add", x, cube)))
            else:
                bell = make("Erf", make("Mul", x, math.sqrt(0.5)))
            return make("Mul", make("Mul", 0.5, x), make("Add", 1.0, bell))

        replace(graph, node, steps)

    tf_op.register_handler(erfc, 9, ["Erfc"], "", {})
    tf_op.register_handler(gelu, 9, ["TFL_GELU"], "", {})


def _write(
    proto: Any,
    names: Mapping[str, str],
    signature: Signature,
    path: Path,
    values: Mapping[str, np.ndarray] | None = None,
) -> None:
    import onnx

    graph = proto.graph
    for tensor in list(graph.input):
        if values and tensor.name in values:
            graph.input.remove(tensor)
            graph.initializer.append(onnx.numpy_helper.from_array(values[tensor.name], tensor.name))
    _rename(graph, names)
    specs = {spec.name: spec for spec in (*signature.inputs, *signature.outputs)}
    for tensor in (*graph.input, *graph.output):  # the program's names of dynamic dimensions
        for dim, side in zip(
            tensor.type.tensor_type.shape.dim, specs[tensor.name].shape, strict=True
        ):
            if isinstance(side, str):
                dim.dim_param = side
    graph.ClearField("value_info")  # shapes inferred with the old names; runtimes infer them again
    onnx.checker.check_model(proto)
    onnx.save(proto, str(path))


def _rename(graph: Any, names: Mapping[str, str]) -> None:
    for node in graph.node:
        for tensors in (node.input, node.output):
            for index, name in enumerate(tensors):
                tensors[index] = names.get(name, name)
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else list(attribute.graphs):
                _rename(inner, names)  # the bodies of loops and branches use names from outside
    for tensor in (*graph.input, *graph.output, *graph.initializer):
        tensor.name = names.get(tensor.name, tensor.name)


def runner(path: Path) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """A function from named arrays to named arrays that runs the file with ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda arrays: dict(zip(names, session.run(None, dict(arrays)), strict=True))
