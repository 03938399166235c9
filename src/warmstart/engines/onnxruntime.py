"""The optional engine ONNX Runtime, on an accelerator that it has a provider for, or on the CPU.

It runs the program converted to ONNX. The conversion is done once, compared with the program (see
`engines.export`), and stored in `$WARMSTART_HOME/onnx`. Float32 is requested explicitly, because
CUDA by default rounds factors to TF32, with 10 bits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.atomic import scratch_folder
from warmstart.digests import sha256_of
from warmstart.engines.base import Engine, Signature
from warmstart.engines.machine import usable_cpus
from warmstart.engines.parity import TOLERANCE, compare
from warmstart.engines.store import UNFINISHED, Artifact
from warmstart.errors import EngineError, EngineUnavailableError, require
from warmstart.hub import home
from warmstart.hub.files import writing

Write = Callable[[Path], object]
"""Converts a program to ONNX, verifies it, and writes it to a path."""
CPU = "CPUExecutionProvider"
ACCELERATORS: Mapping[str, Mapping[str, str]] = {
    "CUDAExecutionProvider": {"use_tf32": "0"},
    "ROCMExecutionProvider": {},
    "DmlExecutionProvider": {},
    "CoreMLExecutionProvider": {},
}
"""Providers in order of preference, with the options that make them compute in float32."""
NO_MEMORY_PATTERN = ("DmlExecutionProvider",)
"""Providers that need ONNX Runtime's reuse of memory turned off."""
QUIET = 3
"""The minimum severity of messages that are shown: errors."""

_device = "auto"


class ONNXRuntimeEngine(Engine):
    """Runs one `.onnx` file of a single function.

    Args:
        path: the file.
        signatures: its one function.
        provider: the name of an execution provider.
        threads: CPU threads; default: those that this process may use.

    Raises:
        MissingPackageError: ONNX Runtime is not installed.
        EngineError: the program has several functions, or ONNX Runtime cannot read the file.
    """

    name = "onnxruntime"

    def __init__(
        self,
        path: Path,
        signatures: Mapping[str, Signature],
        *,
        provider: str = CPU,
        threads: int | None = None,
    ):
        super().__init__(signatures)
        check_functions(signatures)
        require_library("for engine='onnxruntime'")
        import onnxruntime

        self.provider, self._path = provider, path
        self._threads = threads or usable_cpus()
        self._workers: dict[int, tuple[Engine, ...]] = {}
        (signature,) = signatures.values()
        self._outputs = [spec.name for spec in signature.outputs]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = QUIET
        options.intra_op_num_threads = self._threads
        options.enable_mem_pattern = provider not in NO_MEMORY_PATTERN
        chosen = [] if provider == CPU else [(provider, dict(ACCELERATORS[provider]))]
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=[*chosen, CPU]
            )
        except Exception as error:  # ONNX Runtime's errors have no common base class
            raise EngineError(f"ONNX Runtime cannot run {path}: {_first_line(error)}") from error

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def workers(self, count: int | None = None) -> Sequence[Engine]:
        count = min(count or self._threads, self._threads)
        if count == 1 or self.provider != CPU:
            return (self,)
        with self._lock:
            if count not in self._workers:
                self._workers[count] = tuple(
                    ONNXRuntimeEngine(self._path, self.signatures, threads=self._threads // count)
                    for _ in range(count)
                )
            return self._workers[count]

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            values = self._session.run(self._outputs, dict(arrays))
        except Exception as error:  # as above
            reason = _first_line(error)
            raise EngineError(f"ONNX Runtime could not run {function}: {reason}") from error
        return dict(zip(self._outputs, values, strict=True))


def require_library(purpose: str) -> None:
    """Check that ONNX Runtime is installed.

    Raises:
        MissingPackageError: it is not.
    """
    require("onnxruntime", extra="onnx", purpose=purpose)


def use_device(device: str) -> None:
    """Set the device of ONNX Runtime in this process: `"auto"` uses an accelerator that it has a
    provider for, `"cpu"` none, and `"gpu"` requires one.

    Raises:
        MissingPackageError: device is `"gpu"`, and ONNX Runtime is not installed.
        EngineUnavailableError: device is `"gpu"`, and it has no accelerator.
    """
    global _device
    if device == "gpu" and not accelerators():
        raise EngineUnavailableError(
            "ONNX Runtime has no provider for a GPU here; install onnxruntime-gpu instead of "
            "onnxruntime, or leave out device='gpu'."
        )
    _device = device


def accelerators() -> list[str]:
    """The accelerators that the installed ONNX Runtime has providers for, in order of preference.

    Raises:
        MissingPackageError: ONNX Runtime is not installed.
    """
    require_library("for engine='onnxruntime'")
    import onnxruntime

    available = onnxruntime.get_available_providers()
    return [name for name in ACCELERATORS if name in available]


def check_functions(signatures: Mapping[str, Signature]) -> None:
    """Refuse programs of several functions.

    Raises:
        EngineError: there are several.
    """
    if len(signatures) != 1:
        raise EngineError(
            "ONNX Runtime supports only programs with one function; use engine='litert'."
        )


def open_artifact(artifact: Artifact, write: Write | None) -> ONNXRuntimeEngine:
    """An engine for a program: on an accelerator that matches the reference, or else on the CPU.

    Args:
        artifact: the compiled program.
        write: converts it to ONNX, if that is not stored yet.

    Raises:
        EngineError: it cannot be converted or run.
    """
    check_functions(artifact.signatures)
    path = stored(artifact) or make(artifact, write)
    for provider in [] if _device == "cpu" else accelerators():
        try:
            engine = ONNXRuntimeEngine(path, artifact.signatures, provider=provider)
            if max(compare(engine, artifact.expected()).values()) <= TOLERANCE:
                return engine
            reason = "its outputs differ from those of Keras"
        except EngineError as error:  # a provider whose libraries are missing or do not fit
            reason = str(error)
        if _device == "gpu":
            raise EngineUnavailableError(f"{provider} cannot be used: {reason}")
    return ONNXRuntimeEngine(path, artifact.signatures)


def is_stored(artifact: Artifact) -> bool:
    """Whether a program was converted to ONNX; the file is not read."""
    return _path(artifact).is_file()


def stored(artifact: Artifact) -> Path | None:
    """The ONNX file of a program; None if there is none, or its hash has changed."""
    path = _path(artifact)
    try:
        record = json.loads(_record(path).read_text("utf-8"))
        return path if record["sha256"] == sha256_of(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def make(artifact: Artifact, write: Write | None) -> Path:
    """Convert a program to ONNX, unless another process does so at the same time.

    Raises:
        EngineUnavailableError: `write` is None.
        CacheError: the folder cannot be written.
    """
    if write is None:
        raise EngineUnavailableError("This program was not converted to ONNX.")
    from filelock import FileLock

    path = _path(artifact)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            FileLock(path.with_suffix(".lock")),
            scratch_folder(path.parent, UNFINISHED) as scratch,
        ):
            if (other := stored(artifact)) is not None:
                return other
            made = scratch / path.name
            write(made)
            record = {"sha256": sha256_of(made)}
            os.replace(made, path)
            _record(path).write_text(json.dumps(record) + "\n", "utf-8")
    return path


def folder() -> Path:
    """The folder of all programs that were converted."""
    return home() / "onnx"


def path_of(sha256: str) -> Path:
    """Where the ONNX file of a program is, if it was converted."""
    return folder() / f"{sha256[:40]}.onnx"


def _path(artifact: Artifact) -> Path:
    return path_of(artifact.sha256)


def _record(path: Path) -> Path:
    return path.with_suffix(".json")


def _first_line(error: Exception) -> str:
    text: Any = str(error).strip().splitlines() or [type(error).__name__]
    return str(text[0])[:300]
