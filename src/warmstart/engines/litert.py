"""The default engine: LiteRT runs the compiled `.tflite` with XNNPACK on the CPU."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from warmstart.engines.base import Engine, Signature
from warmstart.errors import EngineError

_quiet_lock = threading.Lock()


@contextlib.contextmanager
def _quiet_native_log() -> Iterator[None]:
    """LiteRT writes "Created ... delegate" straight to file descriptor 2; nobody asked for it."""
    with _quiet_lock:
        try:
            saved = os.dup(2)
        except OSError:  # the process has no standard error at all
            yield
            return
        try:
            with open(os.devnull, "wb") as sink:
                os.dup2(sink.fileno(), 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)


class LiteRTEngine(Engine):
    """Runs one `.tflite` file.

    Args:
        path: the file; it is mapped, not copied.
        signatures: what the file's functions take and give.
        threads: CPU threads; default: those this process may use.

    Raises:
        EngineError: the file is not a program that LiteRT can run.
    """

    name = "litert"

    def __init__(self, path: Path, signatures: Mapping[str, Signature], *, threads: int | None = None):
        super().__init__(signatures)
        from ai_edge_litert.interpreter import Interpreter

        try:
            with _quiet_native_log():
                self._interpreter = Interpreter(str(path), num_threads=threads or usable_cpus())
                self._interpreter.allocate_tensors()
                self._runners = {name: self._interpreter.get_signature_runner(name) for name in signatures}
        except (ValueError, RuntimeError, KeyError) as error:
            raise EngineError(f"{path} is not a program that LiteRT can run: {error}") from error

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        try:
            return self._runners[function](**arrays)
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"LiteRT could not run {function}: {error}") from error


def usable_cpus() -> int:
    """The CPUs that this process may run on (an affinity mask or container may allow fewer than there are)."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
