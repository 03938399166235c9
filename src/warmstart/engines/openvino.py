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

from warmstart.engines.base import Session, Signature
from warmstart.engines.bfloat16 import BITS, BFloat16Session, with_bfloat16_inputs
from warmstart.engines.file_engine import FileEngine
from warmstart.engines.machine import usable_cpus
from warmstart.engines.mapped_constants import read_mapped
from warmstart.engines.mapped_files import release, releasing
from warmstart.engines.openvino_cache import NetworkCache
from warmstart.engines.tflite_functions import check_functions
from warmstart.errors import EngineError, require

Inputs = tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]
"""The shapes of the inputs of a network, and the names of those of bfloat16."""
EXACT = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
"""Inputs of products with 8-bit weights are not quantised."""
MAX_COMPILED = 2
"""Compiled networks of a function in memory: for one image, and for the batch of a stream."""
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
        memory: the mapped file with its weights, if it was loaded from one.
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
        # Tensors do not keep the arrays alive whose memory they share.
        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        for name, array in contiguous.items():
            port = self._inputs[name]
            self._request.set_tensor(port, openvino.Tensor(array, array.shape, port.element_type))
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
    """Runs one `.tflite` file, each of its functions as a network of its own.

    Args:
        path: the file.
        signatures: of its functions.
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
        require("openvino", extra="openvino", purpose="for engine='openvino'")
        from warmstart.engines.openvino_package import openvino

        if len(signatures) > 1:
            check_functions(path, len(signatures))
        self._varies = {name: _varies(signature) for name, signature in signatures.items()}
        self._core = openvino.Core()
        self._settings = settings(precision)
        self._cache = NetworkCache(sha256, self._settings) if sha256 else None
        self._networks: dict[str, OrderedDict[Inputs, Network]] = {
            name: OrderedDict() for name in signatures
        }

    def _network(self, function: str, arrays: Mapping[str, np.ndarray]) -> Network:
        """The network of a function for these shapes, which is faster than one for all shapes.

        Where more than the batch varies between calls, such as the lengths of texts, it is compiled
        once for all shapes.
        """
        signature, varies = self.signatures[function], self._varies[function]
        networks = self._networks[function]
        shapes = () if varies else tuple(arrays[spec.name].shape for spec in signature.inputs)
        halves = tuple(spec.tensor for spec in signature.inputs if arrays[spec.name].dtype == BITS)
        if (network := networks.get(key := (shapes, halves))) is not None:
            networks.move_to_end(key)
            return network
        sizes = {
            spec.tensor: [-1] * len(spec.shape) if varies else list(arrays[spec.name].shape)
            for spec in signature.inputs
        }
        try:
            networks[key] = network = Network(signature, *self._compiled(function, sizes, halves))
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"OpenVINO could not compile {self._path}: {error}") from error
        while len(networks) > MAX_COMPILED:
            networks.popitem(last=False)
        return network

    def _compiled(
        self, function: str, shapes: Mapping[str, list[int]], halves: tuple[str, ...]
    ) -> tuple[Any, mmap.mmap | None]:
        """A compiled network, and the mapped file that has its weights if it was stored.

        Args:
            function: its name.
            shapes: of the inputs, by the names of their tensors.
            halves: the names of inputs of bfloat16.
        """
        from warmstart.engines.openvino_graph import rewrite

        cache, core = self._cache, self._core
        if (count := len(self.signatures)) > 1:  # they share weights, which are not stored for each
            network, memory = read_mapped(core, self._path, function, count, cache)
            network.reshape(shapes)
            network = with_bfloat16_inputs(rewrite(network), halves)
            with releasing(memory):
                return core.compile_model(network, "CPU", self._settings), memory
        if cache and (stored := cache.load(core, shapes)):
            return stored
        network = rewrite(core.read_model(str(self._path)))
        network.reshape(shapes)
        compiled = core.compile_model(network, "CPU", self._settings)
        if cache and cache.save(compiled, shapes) and (stored := cache.load(core, shapes)):
            return stored  # which needs less memory
        return compiled, None

    def session(self, function: str, state: tuple[str, ...]) -> Session:
        if self._settings["INFERENCE_PRECISION_HINT"] == "bf16":
            return BFloat16Session(self, function, state)
        return super().session(function, state)

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self._network(function, arrays).run(arrays)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO could not run {function}: {error}") from error


def _varies(signature: Signature) -> bool:
    """Whether more than the batch varies between the inputs of calls."""
    sizes = {size for spec in signature.inputs for size in spec.shape if isinstance(size, str)}
    return bool(sizes - {"batch"})
