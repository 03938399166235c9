"""Compile a program to a `.tflite` file and verify it against the reference engine.

Precisions: `float32`; `int8` (8-bit weights, activations quantised at run time: TensorFlow
Lite's dynamic-range quantisation; or calibrated, see `engines.int8`); `float16` (weights of 16
bits, arithmetic in float32), which only the embedded models use; `bfloat16` runs the float32 file
on an engine that computes in bfloat16.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.checkpoints.file_names import PROGRAM
from warmstart.checkpoints.tflite import TFLiteCheckpoint
from warmstart.engines import graph
from warmstart.engines.base import Signature, TensorSpec
from warmstart.engines.keras import KerasEngine, Program
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import TOLERANCE, compare
from warmstart.engines.store import Artifact
from warmstart.errors import CompileError

Report = Callable[[str], None]
MAX_SIZE = 2**31 - 2**20  # bytes of weights in a flatbuffer; the rest is for the graph


def save_module(program: Program, folder: Path, *, export: bool = False) -> list[str]:
    """Write the program as a SavedModel, a signature per function; returns their names.

    Args:
        export: for use outside: also save the first function under the name that TensorFlow Serving
            expects, the `saved_model_functions`, and custom gradients, without which TensorFlow
            warns when it loads the model. Tracing them adds a quarter to the time of compiling.
    """
    import tensorflow as tf

    module = tf.Module()
    # Tracking the plain tf.Variables matters: the converter drops those of a tracked Keras model.
    module.variables_used = [variable.value for variable in program.model.variables]
    layers: Any = getattr(program.model, "_flatten_layers", tuple)()
    module.loaded = [layer.loaded for layer in layers if hasattr(layer, "loaded")]  # SavedModels
    signatures = {name: f.get_concrete_function() for name, f in program.traced.items()}
    names = list(signatures)
    if export:
        signatures.setdefault("serving_default", signatures[names[0]])
        signatures |= {
            name: make().get_concrete_function()
            for name, make in program.saved_model_functions.items()
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = tf.saved_model.SaveOptions(experimental_custom_gradients=export)
        tf.saved_model.save(module, str(folder), signatures=signatures, options=options)
    return names


def convert(
    program: Program, path: Path, precision: str, report: Report, *, complete: bool = True
) -> dict[str, Signature]:
    """Write the program to `path` as a `.tflite` with builtin operators only; returns its
    signatures.

    Args:
        complete: whether the functions use all weights of the model; a file too small for them is
            then an error.

    Raises:
        CompileError: the converter failed, or its file lacks weights.
    """
    bytes_per_weight = {"int8": 1, "float16": 2}.get(precision, 4)
    size = bytes_per_weight * sum(int(np.prod(v.shape)) for v in program.model.variables)
    if size > MAX_SIZE:
        raise CompileError(
            f"The model's {size / 2**30:.1f} GiB of {precision} weights do not fit into a .tflite file, "
            "which holds 2 GiB: use engine='keras'."
        )
    reference = KerasEngine(program)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report("tracing")
        names = save_module(program, Path(folder))
        report("converting")
        with converter_errors():
            content = _converted(folder, names, precision)
    least = (
        0.8
        * bytes_per_weight
        * sum(int(np.prod(v.shape)) for v in program.model.trainable_variables)
    )
    if complete and len(content) < least:
        raise CompileError(
            f"The converted file has {len(content):,} bytes, less than its weights ({least:,.0f})"
        )
    path.write_bytes(content)
    return {
        name: with_tensor_names(path, name, signature)
        for name, signature in reference.signatures.items()
    }


def _converted(folder: str, names: list[str], precision: str) -> bytes:
    """The `.tflite` of a SavedModel."""
    import tensorflow as tf

    def configured(converter: Any) -> Any:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if precision in ("int8", "float16"):
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter

    # The public method loads the whole model three times, for names that are known here and for
    # lines of Python that are not needed: half of the time. Other versions of TensorFlow may lack
    # these private parts.
    with contextlib.suppress(Exception):
        from tensorflow.lite.python.lite import TFLiteSavedModelConverterV2
        from tensorflow.python.saved_model.loader_impl import parse_saved_model

        graph = parse_saved_model(folder).meta_graphs[0].graph_def
        converter = configured(TFLiteSavedModelConverterV2(folder, {"serve"}, names))
        return bytes(converter._convert_from_saved_model(graph))
    return bytes(
        configured(tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=names)).convert()
    )


def _reason(text: str) -> str:
    """The cause of a failure in one sentence, from the many lines of the converter's message."""
    if match := re.search(r"TF Select ops: (.+)", text):
        return f"LiteRT does not have the operations {match[1].strip()} for these shapes"
    if match := re.search(r"'(tf\.\w+)' op ([^\n]{1,200})", text):
        return f"{match[1]} {match[2]}".rstrip(".")
    return (text.strip().splitlines() or ["no reason"])[0][:300].rstrip(".")


def with_tensor_names(path: Path, function: str, signature: Signature) -> Signature:
    """A signature with the tensor names of a `.tflite` file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    indices = interpreter._get_full_signature_list()[function]
    runner = interpreter.get_signature_runner(
        function
    )  # every function is a graph with its own tensor indices
    details = [*runner.get_input_details().values(), *runner.get_output_details().values()]
    names = {d["index"]: d["name"] for d in details}

    def named(specs: tuple[TensorSpec, ...], side: str) -> tuple[TensorSpec, ...]:
        return tuple(
            replace(spec, tensor=names.get(indices[side][spec.name], "")) for spec in specs
        )

    return Signature(named(signature.inputs, "inputs"), named(signature.outputs, "outputs"))


def reference_outputs(program: Program) -> dict[str, dict[str, np.ndarray]]:
    """The outputs of the reference engine for the probe inputs of every function."""
    engine = KerasEngine(program)
    return {
        name: engine.run(name, **signature.probe()) for name, signature in engine.signatures.items()
    }


def compile_program(
    program: Program,
    folder: Path,
    precision: str,
    report: Report,
    *,
    scalars: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Fill `folder` with `program.tflite` and `probe.npz`; returns their part of the artifact's
    record.

    Args:
        program: the program to compile.
        folder: for the files.
        precision: `"float32"`, `"int8"` or `"float16"`.
        report: called with what is being done.
        scalars: values of the network's config that may be constants of the program, by name.

    Raises:
        CompileError: the conversion failed, or the result differs from the reference.
    """
    path = folder / PROGRAM
    signatures = convert(program, path, precision, report)
    report("verifying")
    expected = reference_outputs(program)
    differences = compare(LiteRTEngine(path, signatures), expected)
    exact = precision in ("float32", "float16")
    if (worst := max(differences.values())) > TOLERANCE and exact:
        raise CompileError(
            f"The compiled program differs from Keras by {worst:.2g} (allowed: {TOLERANCE:g})."
        )
    formulas = _formulas(path, _network(program, scalars or {})) if precision == "float32" else None
    return _record(folder, signatures, expected, differences, formulas)


def fill_program(
    program: Program,
    folder: Path,
    template: Artifact,
    report: Report,
    *,
    scalars: Mapping[str, float] | None = None,
) -> dict[str, Any] | None:
    """Like `compile_program`, but without a conversion: copies the program of another artifact and
    replaces its constants with those of this network.

    Args:
        template: a float32 artifact of the same network with other weights, with `constants` in its
            record.

    Returns:
        The part of the record; None if the outputs differ from the reference, or the graph was
        converted by other versions.
    """
    if template.record["made_with"] != _made_with():
        return None
    report("filling the graph")
    formulas = [graph.Formula.from_dict(record) for record in template.record["constants"]]
    network = _network(program, scalars or {})
    path = folder / PROGRAM
    path.write_bytes(graph.filled(template.path.read_bytes(), formulas, network))
    report("verifying")
    expected = reference_outputs(program)
    differences = compare(LiteRTEngine(path, template.signatures), expected)
    if max(differences.values()) > TOLERANCE:
        return None
    return _record(folder, template.signatures, expected, differences, formulas)


def _record(
    folder: Path,
    signatures: Mapping[str, Signature],
    expected: Mapping[str, Mapping[str, np.ndarray]],
    differences: Mapping[str, float],
    formulas: Sequence[graph.Formula] | None,
) -> dict[str, Any]:
    """Write the outputs of the reference, and return the record."""
    arrays: Any = {
        f"{function}/{name}": v
        for function, values in expected.items()
        for name, v in values.items()
    }
    np.savez(folder / "probe.npz", **arrays)
    return {
        "signatures": {name: signature.to_dict() for name, signature in signatures.items()},
        "differences": differences,
        "made_with": _made_with(),
        **({"constants": [formula.to_dict() for formula in formulas]} if formulas else {}),
    }


def _made_with() -> dict[str, str]:
    import keras
    import tensorflow as tf

    return {"tensorflow": tf.__version__, "keras": keras.__version__}


def _network(program: Program, scalars: Mapping[str, float]) -> graph.Network:
    """The arrays, normalisations and scalars of a program."""
    import keras

    variables = list(program.model.variables)
    indices = {id(variable): index for index, variable in enumerate(variables)}
    layers: Any = getattr(program.model, "_flatten_layers", tuple)()
    norms = [
        graph.Norm(
            indices.get(id(layer.gamma)),
            indices.get(id(layer.beta)),
            indices[id(layer.moving_mean)],
            indices[id(layer.moving_variance)],
            float(layer.epsilon),
        )
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization) and id(layer.moving_mean) in indices
    ]
    return graph.Network([np.asarray(variable) for variable in variables], norms, scalars)


def _formulas(path: Path, network: graph.Network) -> list[graph.Formula] | None:
    """How the constants of a program are made from the weights; None if it is not known."""
    with TFLiteCheckpoint(path) as program:
        constants = {name: program.read(name) for name in program.names()}
    return graph.formulas(path.read_bytes(), constants, network)


@contextlib.contextmanager
def converter_errors() -> Iterator[None]:
    """Turn every exception of the converter into a `CompileError`."""
    try:
        yield
    except CompileError:
        raise
    except Exception as error:  # the converter raises whatever its passes raise
        raise CompileError(f"TensorFlow's converter failed: {_reason(str(error))}.") from error
