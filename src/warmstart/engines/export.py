"""Export a program to other formats, and verify that each file reproduces the outputs of the model.

| format | files | source |
|---|---|---|
| `saved_model` | a folder for TensorFlow and TensorFlow Serving; a signature per function | the traced functions |
| `litert` | one `.tflite` file with all functions | a copy of the artifact |
| `onnx` | one `.onnx` file; a folder of them for several functions | the `.tflite`, by tf2onnx |
| `openvino` | a folder with `<function>.xml` and `.bin` | the `.tflite`, by OpenVINO |
| `keras` | one `.keras` file that plain Keras loads | the Keras model |

Keras' own ONNX exporter fails on EfficientNet and on exact GELU; tf2onnx reads `.tflite` files of
all families here, and the traced function is the fallback. Formats with one function per file get
one file per function.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.engines.base import Engine, Runner, Signature, TensorSpec
from warmstart.engines.litert import LiteRTEngine
from warmstart.engines.parity import TOLERANCE, compare, differences
from warmstart.engines.store import Artifact
from warmstart.errors import CompileError, EngineError

Report = Callable[[str], None]
Build = Callable[[], Any]
ALTERNATIVE = "export as saved_model, or use `ws.load(…).keras`, which has warmstart's own layers"
FORMATS = ("saved_model", "litert", "onnx", "openvino", "keras")


def export_program(
    artifact: Artifact, program: Build, format: str, path: Path, report: Report
) -> float:
    """Write `path` and verify it.

    Args:
        artifact: the compiled program, which is converted and with which the result is compared.
        program: builds the `Program`; called if the artifact is not enough.
        format: one of `FORMATS`, except `"keras"`, for which see `export_keras`.
        path: a file, or a folder as the table above says; it must not exist.
        report: called with a description of each step.

    Returns:
        The largest difference from the outputs of the model (see `parity.compare`).

    Raises:
        CompileError: the format cannot represent the program, or the result differs from the model.
    """
    writers = {"litert": _litert, "openvino": _openvino, "onnx": _onnx, "saved_model": _saved_model}
    engine = writers[format](artifact, program, path, report)
    report("verifying")
    return _verified(engine, artifact, format)


def _verified(engine: Engine, artifact: Artifact, format: str) -> float:
    """Compare with the stored outputs of Keras, and for other sizes of dynamic dimensions with the
    artifact.
    """
    compiled = LiteRTEngine(artifact.path, artifact.signatures)
    quantised = artifact.precision == "int8"
    worst = 0.0 if quantised else max(compare(engine, artifact.expected()).values())
    for name, signature in artifact.signatures.items():
        probe = signature.probe(seed=1, size=3)
        try:
            expected = compiled.run(name, **probe)
        except EngineError:
            continue  # not every combination of sizes is valid
        worst = max(worst, *differences(engine.run(name, **probe), expected).values())
    return _allowed(worst, format)


def _allowed(worst: float, format: str) -> float:
    if not worst <= TOLERANCE:
        raise CompileError(
            f"The {format} export differs from the model by {worst:.2g} (allowed: {TOLERANCE:g}), "
            "so it was deleted; choose another format."
        )
    return worst


def _litert(artifact: Artifact, program: Build, path: Path, report: Report) -> Engine:
    shutil.copyfile(artifact.path, path)
    return LiteRTEngine(path, artifact.signatures)


@contextmanager
def _single_functions(
    artifact: Artifact, program: Build, report: Report
) -> Iterator[dict[str, tuple[Path, Signature]]]:
    """A `.tflite` per function: the artifact, if it has one function; else each is compiled
    separately.
    """
    if len(artifact.signatures) == 1:
        ((name, signature),) = artifact.signatures.items()
        yield {name: (artifact.path, signature)}
        return
    from warmstart.engines.compile import convert
    from warmstart.engines.keras import Program

    whole = program()
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, tuple[Path, Signature]] = {}
        for name, function in whole.functions.items():
            path = Path(folder) / f"{len(files)}.tflite"
            part = Program({name: function}, whole.model)
            signatures = convert(part, path, "float32", report, complete=False)
            files[name] = (path, signatures[name])
        yield files


class _Files(Engine):
    """Runs exported files, with a runner for each function."""

    def __init__(self, name: str, signatures: Mapping[str, Signature], runs: Mapping[str, Runner]):
        super().__init__(signatures)
        self.name, self._runs = name, runs

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._runs[function](arrays)


def _openvino(artifact: Artifact, program: Build, path: Path, report: Report) -> Engine:
    from warmstart.engines.openvino import EXACT
    from warmstart.engines.openvino_graph import rewrite
    from warmstart.engines.openvino_package import openvino

    core = openvino.Core()
    path.mkdir()
    runs = {}

    def runner(file: Path, signature: Signature) -> Runner:
        compiled = core.compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

        def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            outputs = compiled(dict(arrays))
            return {spec.name: outputs[spec.name] for spec in signature.outputs}

        return run

    with _single_functions(artifact, program, report) as files:
        for name, (tflite, signature) in files.items():
            report(f"converting {name} to OpenVINO")
            try:
                # `convert_model` would send telemetry
                network = rewrite(core.read_model(str(tflite)))
                for option, value in EXACT.items():  # defaults for whoever opens the file
                    network.set_rt_info(str(value), ["runtime_options", option])
                for port, specs in (
                    (network.input, signature.inputs),
                    (network.output, signature.outputs),
                ):
                    for tensor in {spec.tensor for spec in specs}:  # one tensor may be two outputs
                        port(tensor).tensor.set_names(
                            {spec.name for spec in specs if spec.tensor == tensor}
                        )
                openvino.save_model(network, str(path / f"{name}.xml"), compress_to_fp16=False)
                runs[name] = runner(path / f"{name}.xml", signature)
            except RuntimeError as error:
                raise CompileError(
                    f"OpenVINO cannot represent the function {name} ({_first_line(error)}); "
                    "export as saved_model or litert."
                ) from error
    return _Files("openvino", artifact.signatures, runs)


def _onnx(artifact: Artifact, program: Build, path: Path, report: Report) -> Engine:
    several = len(artifact.signatures) > 1
    if several:
        path.mkdir()
    runs = {}
    with _single_functions(artifact, program, report) as files:
        for name, (tflite, signature) in files.items():
            target = path / f"{name}.onnx" if several else path
            runs[name] = _onnx_file(name, tflite, signature, artifact, program, target, report)
    return _Files("onnx", artifact.signatures, runs)


def _onnx_file(
    name: str,
    tflite: Path,
    signature: Signature,
    artifact: Artifact,
    program: Build,
    path: Path,
    report: Report,
) -> Runner:
    """Write one function; the first route whose file reproduces the model is used."""
    from warmstart.engines import onnx_files

    expected = artifact.expected()[name]
    reasons = []
    routes: dict[str, Callable[[], None]] = {
        "tf2onnx from the .tflite": lambda: onnx_files.from_tflite(tflite, signature, path),
        "tf2onnx from the traced function": lambda: onnx_files.from_function(
            program(), name, signature, path
        ),
    }
    for route, write in routes.items():
        report(f"converting {name} with {route}")
        try:
            write()
            run = onnx_files.runner(path)
            difference = max(differences(run(artifact.signatures[name].probe()), expected).values())
            if difference <= TOLERANCE:
                return run
            reasons.append(f"{route}: it differs by {difference:.2g}")
        except Exception as error:  # tf2onnx and ONNX Runtime raise whatever their passes raise
            reasons.append(f"{route}: {_first_line(error)}")
    raise CompileError(
        f"The function {name} cannot be exported as ONNX ({'; '.join(reasons)}); "
        "export as saved_model or litert."
    )


def _saved_model(artifact: Artifact, program: Build, path: Path, report: Report) -> Engine:
    from warmstart.engines.compile import save_module

    whole = program()
    report("writing the SavedModel")
    save_module(whole, path, export=True)
    report("loading it again")
    return _Files("saved_model", artifact.signatures, saved_functions(path))


@lru_cache(1)  # verified, then compared
def saved_functions(path: Path) -> dict[str, Runner]:
    """The functions of a SavedModel, by name, without `serving_default`."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))

    def runner(name: str) -> Runner:
        function = loaded.signatures[name]

        def run(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            tensors = {key: tf.constant(value) for key, value in arrays.items()}
            return {key: value.numpy() for key, value in function(**tensors).items()}

        return run

    return {name: runner(name) for name in loaded.signatures if name != "serving_default"}


LOAD_KERAS = """
import sys
import keras
import numpy as np
model = keras.models.load_model(sys.argv[1])
with np.load(sys.argv[2]) as arrays:
    names = {id(tensor): str(index) for index, tensor in enumerate(model.inputs)}
    own = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    outputs = model(keras.tree.map_structure(lambda tensor: arrays[names[id(tensor)]], own), training=False)
np.savez(sys.argv[3], *map(keras.ops.convert_to_numpy, keras.tree.flatten(outputs)))
"""


def export_keras(model: Any, inputs: Mapping[str, TensorSpec], path: Path, report: Report) -> float:
    """Write a `.keras` file, load it in a process without warmstart, and compare there.

    Args:
        model: the Keras model.
        inputs: of the program's functions, for the ranges of their values.
        path: ends in `.keras`.
        report: called with a description of each step.

    Returns:
        The largest difference from the outputs of the model.

    Raises:
        CompileError: plain Keras cannot load the file, or its outputs differ.
    """
    import keras

    report("writing the .keras file")
    try:
        model.save(path)
    except NotImplementedError as error:  # a layer of ours without a config
        raise CompileError(
            f"A .keras file cannot represent this model's own layers; {ALTERNATIVE}."
        ) from error
    random = np.random.default_rng(0)
    probes = {
        id(tensor): _spec(tensor, inputs).probe(random, {"any": 2}) for tensor in model.inputs
    }
    arrays: dict[str, Any] = {
        str(index): probe for index, probe in enumerate(probes.values())
    }  # loading renames
    # a Sequential has an `input` only once it was called as a layer
    own = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    outputs = model(
        keras.tree.map_structure(lambda tensor: probes[id(tensor)], own), training=False
    )
    expected = {
        str(n): keras.ops.convert_to_numpy(value)
        for n, value in enumerate(keras.tree.flatten(outputs))
    }
    report("loading it with plain Keras")
    with tempfile.TemporaryDirectory() as folder:
        inputs_file, outputs_file = Path(folder) / "inputs.npz", Path(folder) / "outputs.npz"
        np.savez(inputs_file, **arrays)
        command = [sys.executable, "-c", LOAD_KERAS, str(path), str(inputs_file), str(outputs_file)]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            raise CompileError(
                f"Plain Keras cannot load this model ({last[-1].strip()[:300]}); {ALTERNATIVE}."
            )
        with np.load(outputs_file) as arrays_read:
            loaded = {name.removeprefix("arr_"): arrays_read[name] for name in arrays_read.files}
    return _allowed(max(differences(loaded, expected).values()), "keras")


def _spec(tensor: Any, inputs: Mapping[str, TensorSpec]) -> TensorSpec:
    """The spec for probing an input of a Keras model: the program's input of this name, or of this
    dtype and rank.
    """
    alike = [
        spec
        for spec in inputs.values()
        if spec.dtype == tensor.dtype and len(spec.shape) == len(tensor.shape)
    ]
    source = inputs.get(tensor.name) or (alike[0] if alike else TensorSpec("", tensor.dtype, ()))
    shape = tuple("any" if side is None else side for side in tensor.shape)
    return TensorSpec(tensor.name, tensor.dtype, shape, source.low, source.high)


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}"
