"""OpenVINO for programs that generate text: paged attention over blocks of one cache.

In LiteRT's program, the texts of a step share one row of tokens, and a mask hides them from each
other. Here each text attends only to its own tokens, and the cache is updated without a copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.engines import machine
from warmstart.engines.base import Signature, TensorSpec
from warmstart.engines.file_engine import FileEngine
from warmstart.engines.mapped_constants import read_mapped
from warmstart.engines.mapped_files import releasing
from warmstart.engines.openvino import settings
from warmstart.engines.openvino_cache import NetworkCache
from warmstart.engines.paged_network import OUTPUTS, TABLES, TOKENS, with_paged_attention
from warmstart.errors import EngineError, require

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "float32": {"KV_CACHE_PRECISION": "f32"},
    "bfloat16": {"KV_CACHE_PRECISION": "bf16"},
    "int8": {"KV_CACHE_PRECISION": "u8", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 128},
}
"""In int8, activations are quantised in groups of 128: a step of eight texts takes 0.85 of the time
that it takes with OpenVINO's 32, and the logits are as close to LiteRT's.
"""


def is_decoder(signatures: Mapping[str, Signature]) -> bool:
    """Whether a program generates text step by step, with a cache and masks."""
    step = signatures.get("step")
    return step is not None and {"sees_cached", "sees_new"} <= step.specs.keys()


class PagedEngine(FileEngine):
    """Runs the function `step` of a `.tflite` file with paged attention.

    Instead of masks and the tokens' keys and values, it takes and changes the blocks of the cache:

    - `past_lengths` (B,): tokens that each text of this call has in the cache.
    - `begins` (B + 1,): where the new tokens of each text begin; the last is their number.
    - `blocks`, `block_begins` (B + 1,): the blocks of all texts, and where those of each begin.
    - `longest` (1,): tokens of the longest text, with the new ones.
    - `keys_0`, `values_0`, … (blocks, H, …): the cache, of float32, in int8 of bytes, or in bfloat16 of
      uint16, which are the bits of its numbers; the third size of values is that of a block in tokens.

    Args:
        path: the file.
        signatures: its function.
        precision: `"float32"`, `"bfloat16"` or `"int8"`; the numbers of the cache have as many bits.
        sha256: of the program's files; with it, the graph is stored, see `mapped_constants`.

    Raises:
        MissingPackageError: OpenVINO is not installed.
        EngineError: OpenVINO cannot run the program so.
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
        require("openvino", extra="openvino", purpose="for engine='openvino'")
        super().__init__(path, signatures)
        self._set: dict[str, np.ndarray] = {}  # inputs that the request has
        with self._loading():
            self._open(precision, sha256)

    def _open(self, precision: str, sha256: str | None) -> None:
        """Compile the network and run it once for one and for several tokens: OpenVINO copies the
        weights into formats of its own when it needs them.

        Raises:
            EngineError: the installed OpenVINO cannot run it.
        """
        from warmstart.engines.openvino_package import openvino

        core = openvino.Core()
        step = self.signatures["step"]
        options = {**settings(precision), **OPTIONS[precision]}
        try:
            cache = NetworkCache(sha256, options) if sha256 else None
            network, self._memory = read_mapped(core, self._path, "step", 1, cache)
            network = with_paged_attention(network, step)
            with releasing(self._memory):
                compiled = core.compile_model(network, "CPU", options)
                self._request = compiled.create_infer_request()
                self._types = {port.any_name: port.element_type for port in compiled.inputs}
                self.signatures = {"step": _signature(compiled, step)}
                for tokens in (1, 2):
                    self._run("step", self._first(tokens))
        except (AttributeError, ImportError, OSError, RuntimeError, ValueError) as error:
            # paged attention is not part of OpenVINO's stable interface
            remedy = "precision='float32'" if precision == "bfloat16" else "engine='litert'"
            raise EngineError(
                f"OpenVINO {machine.version('openvino')} cannot run {self._path} with paged "
                f"attention, which was tested with OpenVINO 2026.4; use {remedy}."
            ) from error

    def _first(self, tokens: int) -> dict[str, np.ndarray]:
        """Inputs of a text of so many tokens."""
        sizes = {"tokens": tokens}  # of all else there is one
        arrays = {
            spec.name: np.zeros(
                [sizes.get(n, 1) if isinstance(n, str) else n for n in spec.shape], spec.dtype
            )
            for spec in self.signatures["step"].inputs
        }
        begins, block_begins = np.array([0, tokens], np.int32), np.array([0, 1], np.int32)
        return arrays | {"begins": begins, "block_begins": block_begins, "longest": begins[1:]}

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        from warmstart.engines.openvino_package import openvino

        try:
            for name, array in arrays.items():
                if self._set.get(name) is not array:  # the cache stays from step to step
                    array = np.ascontiguousarray(array)
                    tensor = openvino.Tensor(array, array.shape, self._types[name])
                    self._request.set_tensor(name, tensor)
                    self._set[name] = array
            self._request.infer()
            return {
                spec.name: self._request.get_tensor(spec.name).data.copy()
                for spec in self.signatures[function].outputs
            }
        except RuntimeError as error:
            raise EngineError(f"OpenVINO could not run {function}: {error}") from error


def _signature(compiled: Any, step: Signature) -> Signature:
    """The signature of the function with paged attention."""
    tables = [TensorSpec(name, "int32", (1 if name == "longest" else name,)) for name in TABLES]
    caches = []
    for port in compiled.inputs[len(TOKENS) + len(TABLES) :]:
        sizes = [size.get_length() for size in list(port.partial_shape)[1:]]
        is_bfloat16 = port.element_type.get_type_name() == "bf16"  # numpy has none
        dtype = "uint16" if is_bfloat16 else np.dtype(port.element_type.to_dtype()).name
        caches.append(TensorSpec(port.any_name, dtype, ("blocks", *sizes)))
    outputs = tuple(spec for spec in step.outputs if spec.name in OUTPUTS)
    return Signature((*(step.specs[name] for name in TOKENS), *tables, *caches), outputs)
