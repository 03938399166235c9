"""The optional engine: OpenVINO reads the same `.tflite` and is faster on many x86 CPUs.

`INFERENCE_PRECISION_HINT` and `DYNAMIC_QUANTIZATION_GROUP_SIZE` are always set: by default, CPUs that
have bfloat16 compute in it, and inputs of products with 8-bit weights are quantised, which would
silently change the results.
"""

from __future__ import annotations

import mmap
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.engines.base import Signature
from warmstart.engines.file_engine import FileEngine
from warmstart.engines.machine import usable_cpus
from warmstart.engines.mapped_files import release
from warmstart.engines.openvino_cache import NetworkCache
from warmstart.errors import EngineError, require

Shapes = tuple[tuple[int, ...], ...]
EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
"""Inputs of products with 8-bit weights are not quantised."""
MAX_COMPILED = 2  # compiled networks in memory: for one image, and for the batch of a stream
RELEASED = 1.0
"""Seconds between calls that release the memory of a stored network's file."""
PROBE = """
import sys
sys.path[:] = sys.argv[1:]
from warmstart.engines.openvino_package import openvino
openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
"""


@cache
def probe_cpu() -> bool:
    """Whether OpenVINO runs on this CPU; tested in a subprocess, because it can crash."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE, *sys.path], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@cache
def computes_in_bfloat16() -> bool:
    """Whether this processor computes in bfloat16; on others OpenVINO uses float32 or emulates it."""
    from warmstart.engines.openvino_package import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def settings(precision: str) -> dict[str, Any]:
    """How OpenVINO is to run a network: one call at a time, on all CPUs of this process."""
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bfloat16" else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": usable_cpus(),
        **({} if precision == "int8" else EXACT),
    }


class Network:
    """A compiled network that is ready to run.

    Args:
        signature: of its function.
        compiled: by OpenVINO.
        memory: the file that has its weights, if it was loaded from one.
    """

    def __init__(self, signature: Signature, compiled: Any, memory: mmap.mmap | None):
        self._request = compiled.create_infer_request()
        self._inputs = {spec.name: compiled.input(spec.tensor) for spec in signature.inputs}
        self._outputs = {spec.name: compiled.output(spec.tensor) for spec in signature.outputs}
        self._memory = memory
        self._release()

    def run(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        from warmstart.engines.openvino_package import openvino

        if time.monotonic() - self._released > RELEASED:
            self._release()
        for name, array in arrays.items():
            tensor = openvino.Tensor(np.ascontiguousarray(array), shared_memory=True)
            self._request.set_tensor(self._inputs[name], tensor)
        self._request.infer(share_outputs=True)
        return {
            name: self._request.get_tensor(port).data.copy() for name, port in self._outputs.items()
        }

    def _release(self) -> None:
        """Release the memory of the file. Little of it is needed later: OpenVINO copies most
        weights into its own formats.
        """
        self._released = time.monotonic()
        if self._memory is not None:
            release(self._memory)


class OpenVINOEngine(FileEngine):
    """Runs one `.tflite` file that has a single function.

    Args:
        path: the file.
        signatures: its one function.
        precision: `"float32"`, `"int8"` or `"bfloat16"`; see `computes_in_bfloat16`.
        sha256: of the program's files; with it, compiled networks are stored, see
            `openvino_cache`.

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
        sha256: str | None = None,
    ):
        super().__init__(path, signatures)
        if len(signatures) != 1:
            raise EngineError(
                "OpenVINO supports only programs with one function; use engine='litert'."
            )
        require("openvino", extra="openvino", purpose="for engine='openvino'")
        from warmstart.engines.openvino_package import openvino

        (self._signature,) = signatures.values()
        self._varies = any(
            isinstance(d, str) and d != "batch"
            for spec in self._signature.inputs
            for d in spec.shape
        )
        self._core = openvino.Core()
        self._settings = settings(precision)
        self._cache = NetworkCache(sha256, self._settings) if sha256 else None
        self._networks: OrderedDict[Shapes, Network] = OrderedDict()

    def _network(self, arrays: Mapping[str, np.ndarray]) -> Network:
        """The network compiled for these shapes, which is faster than with dynamic ones.

        Where more than the batch varies between calls, such as the lengths of texts, it is compiled
        once for all shapes.
        """
        signature, varies = self._signature, self._varies
        key = () if varies else tuple(arrays[spec.name].shape for spec in signature.inputs)
        if (network := self._networks.get(key)) is not None:
            self._networks.move_to_end(key)
            return network
        shapes = {
            spec.tensor: [-1] * len(spec.shape) if varies else list(arrays[spec.name].shape)
            for spec in signature.inputs
        }
        try:
            self._networks[key] = network = Network(signature, *self._compiled(shapes))
        except RuntimeError as error:
            raise EngineError(f"OpenVINO could not compile {self._path}: {error}") from error
        while len(self._networks) > MAX_COMPILED:
            self._networks.popitem(last=False)
        return network

    def _compiled(self, shapes: Mapping[str, list[int]]) -> tuple[Any, mmap.mmap | None]:
        """A compiled network, and the mapped file that has its weights if it was stored."""
        cache, core = self._cache, self._core
        if cache and (stored := cache.load(core, shapes)):
            return stored
        from warmstart.engines.openvino_graph import rewrite

        network = rewrite(core.read_model(str(self._path)))
        network.reshape(shapes)
        compiled = core.compile_model(network, "CPU", self._settings)
        if cache and cache.save(compiled, shapes) and (stored := cache.load(core, shapes)):
            return stored  # which needs less memory
        return compiled, None

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self._network(arrays).run(arrays)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO could not run {function}: {error}") from error
