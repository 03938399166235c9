"""The optional engine: OpenVINO reads the same `.tflite` and is faster on many x86 CPUs.

`INFERENCE_PRECISION_HINT` and `DYNAMIC_QUANTIZATION_GROUP_SIZE` are always set: by default, CPUs that
have bfloat16 compute in it, and inputs of products with 8-bit weights are quantised, which would
silently change the results.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.engines.base import Signature
from warmstart.engines.file_engine import FileEngine
from warmstart.engines.litert import usable_cpus
from warmstart.errors import EngineError, require
from warmstart.hub import home

Shapes = tuple[tuple[int, ...], ...]
Request = tuple[Any, dict[str, Any], dict[str, Any]]
"""An inference request of OpenVINO, with its ports of inputs and of outputs by name."""
EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
"""Inputs of products with 8-bit weights are not quantised."""
MAX_COMPILED = 2  # compiled networks in memory: for one image, and for the batch of a stream


@cache
def probe_cpu() -> bool:
    """Whether OpenVINO runs on this CPU; tested in a subprocess, because it can crash."""
    code = "import openvino; openvino.Core().get_property('CPU', 'FULL_DEVICE_NAME')"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def computes_in_bfloat16() -> bool:
    """Whether this processor computes in bfloat16; on others OpenVINO uses float32 or emulates it."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def cache_folder() -> Path | None:
    """The folder of OpenVINO's compiled blobs; None if it cannot be written."""
    folder = home() / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def settings(precision: str) -> dict[str, Any]:
    """How OpenVINO is to run a network: one call at a time, on all CPUs of this process."""
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": usable_cpus(),
        **({} if precision == "int8" else EXACT),
    }


class OpenVINOEngine(FileEngine):
    """Runs one `.tflite` file that has a single function.

    Args:
        path: the file.
        signatures: its one function.
        precision: `"float32"`, `"int8"` or `"bfloat16"`; see `computes_in_bfloat16`.
        cache: a folder for OpenVINO's compiled blobs, which halve the time of the next start.

    Raises:
        MissingPackageError: OpenVINO is not installed.
        EngineError: OpenVINO cannot read or run the file.
    """

    name = "openvino"

    def __init__(
        self,
        path: Path,
        signatures: Mapping[str, Signature],
        *,
        precision: str = "float32",
        cache: Path | None = None,
    ):
        super().__init__(path, signatures)
        if len(signatures) != 1:
            raise EngineError(
                "OpenVINO supports only programs with one function; use engine='litert'."
            )
        require("openvino", extra="openvino", purpose="for engine='openvino'")
        import openvino

        self._openvino = openvino
        (self._signature,) = signatures.values()
        self._varies = any(
            isinstance(d, str) and d != "batch"
            for spec in self._signature.inputs
            for d in spec.shape
        )
        self._core = openvino.Core()
        self._settings = settings(precision) | ({"CACHE_DIR": str(cache)} if cache else {})
        self._requests: OrderedDict[Shapes, Request] = OrderedDict()

    def _request(self, arrays: Mapping[str, np.ndarray]) -> Request:
        """The network compiled for these shapes, which is faster than with dynamic ones.

        Where more than the batch varies between calls, such as the lengths of texts, it is compiled
        once for all shapes.
        """
        signature, varies = self._signature, self._varies
        key = () if varies else tuple(arrays[spec.name].shape for spec in signature.inputs)
        if (request := self._requests.get(key)) is not None:
            self._requests.move_to_end(key)
            return request
        from warmstart.engines.openvino_graph import rewrite

        try:
            network = rewrite(self._core.read_model(str(self._path)))
            inputs = {spec.name: spec.tensor for spec in signature.inputs}
            shapes = {
                tensor: [-1] * arrays[name].ndim if varies else list(arrays[name].shape)
                for name, tensor in inputs.items()
            }
            network.reshape(shapes)
            compiled = self._core.compile_model(network, "CPU", self._settings)
            ports = {name: compiled.input(tensor) for name, tensor in inputs.items()}
            outputs = {spec.name: compiled.output(spec.tensor) for spec in signature.outputs}
        except RuntimeError as error:
            raise EngineError(f"OpenVINO could not compile {self._path}: {error}") from error
        self._requests[key] = request = (compiled.create_infer_request(), ports, outputs)
        while len(self._requests) > MAX_COMPILED:
            self._requests.popitem(last=False)
        return request

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        request, inputs, outputs = self._request(arrays)
        try:
            for name, array in arrays.items():
                tensor = self._openvino.Tensor(np.ascontiguousarray(array), shared_memory=True)
                request.set_tensor(inputs[name], tensor)
            request.infer()
        except RuntimeError as error:
            raise EngineError(f"OpenVINO could not run {function}: {error}") from error
        return {name: request.get_tensor(port).data.copy() for name, port in outputs.items()}
