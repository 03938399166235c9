"""The default engine: LiteRT runs the compiled `.tflite` with XNNPACK on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from warmstart.engines.base import Engine, Session, Signature
from warmstart.engines.file_engine import FileEngine
from warmstart.engines.machine import usable_cpus
from warmstart.engines.noise import quiet
from warmstart.errors import EngineError

FEW_WRITES = 16
"""After more writes it is faster to copy the whole state than the parts that were written."""


class LiteRTEngine(FileEngine):
    """Runs one `.tflite` file.

    Args:
        path: the file; it is mapped, not copied.
        signatures: of the file's functions.
        threads: CPU threads; default: those that this process may use.

    Raises:
        EngineError: the file is not a program that LiteRT can run.
    """

    name = "litert"

    def __init__(
        self, path: Path, signatures: Mapping[str, Signature], *, threads: int | None = None
    ):
        super().__init__(path, signatures)
        self._sessions: dict[str, _InPlaceSession] = {}
        self._workers: dict[int, tuple[Engine, ...]] = {}
        self._threads = threads or usable_cpus()
        from ai_edge_litert.interpreter import Interpreter

        try:
            with self._loading(), quiet():
                self._interpreter = Interpreter(str(path), num_threads=self._threads)
                self._interpreter.allocate_tensors()
                self._runners = {
                    name: self._interpreter.get_signature_runner(name) for name in signatures
                }
        except (ValueError, RuntimeError, KeyError) as error:
            raise EngineError(f"{path} is not a program that LiteRT can run: {error}") from error

    def workers(self, count: int | None = None) -> Sequence[Engine]:
        count = min(count or self._threads, self._threads)
        if count == 1:
            return (self,)
        with self._lock:
            if count not in self._workers:
                self._workers[count] = tuple(
                    LiteRTEngine(self._path, self.signatures, threads=self._threads // count)
                    for _ in range(count)
                )
            return self._workers[count]

    def session(self, function: str, state: tuple[str, ...]) -> Session:
        self._enlarge_pages()
        return _InPlaceSession(self, function, state)

    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._claim(function, None)
        try:
            return dict(self._runners[function](**arrays))
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"LiteRT could not run {function}: {error}") from error

    def _claim(self, function: str, session: _InPlaceSession | None) -> None:
        """Give the memory of the function to this session; the previous owner copies its state out."""
        owner = self._sessions.pop(function, None)
        if owner is not None and owner is not session:
            owner.leave()
        if session is not None:
            self._sessions[function] = session


class _InPlaceSession(Session):
    """Stores the state in the memory of the function; copies it out only when another call needs
    it.

    Every function is a graph with memory of its own, in which inputs persist between calls.
    Python's `Interpreter` exposes the first graph only, its native part all of them.
    """

    def __init__(self, engine: LiteRTEngine, function: str, state: tuple[str, ...]):
        super().__init__(engine, function, state)
        self._engine: LiteRTEngine = engine
        self._signature = engine.signatures[function]
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._inside = False
        self._written: dict[str, list[Any]] = {}  # indices written since the state was copied in
        self._native = engine._interpreter._interpreter
        self._graph = self._native.GetSubgraphIndexFromSignature(function)
        indices = engine._interpreter._get_full_signature_list()[function]
        self._inputs, self._outputs = indices["inputs"], indices["outputs"]

    def _memory(self, name: str) -> np.ndarray:
        """A view of an input, to be used at once: it dangles when LiteRT moves its memory."""
        memory: np.ndarray = self._native.tensor(
            self._engine._interpreter, self._inputs[name], self._graph
        )
        return memory

    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        with self._engine._lock:
            self.leave()
            super().resize(shapes)

    def write(self, name: str, index: Any, values: Any) -> None:
        with self._engine._lock:
            if self._inside:
                self._memory(name)[index] = values
                if len(self._written[name]) <= FEW_WRITES:
                    self._written[name].append(index)
            else:
                super().write(name, index, values)

    def read(self, name: str, index: Any) -> np.ndarray:
        with self._engine._lock:
            return (
                np.array(self._memory(name)[index]) if self._inside else super().read(name, index)
            )

    def run(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        with self._engine._lock:
            self._engine._claim(self._function, self)
            shapes = {name: array.shape for name, array in arrays.items()}
            try:
                if not self._inside or shapes != self._shapes:
                    self._enter(arrays, shapes)
                for name, array in arrays.items():
                    self._native.SetTensor(self._inputs[name], array, self._graph)
                self._native.Invoke(self._graph)
                return {
                    name: self._native.GetTensor(index, self._graph)
                    for name, index in self._outputs.items()
                }
            except (ValueError, RuntimeError) as error:
                raise EngineError(f"LiteRT could not run {self._function}: {error}") from error

    def _enter(self, arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]) -> None:
        self.leave()
        every = self._arrays | arrays
        self._signature.check(self._function, every)
        for name, array in every.items():
            self._native.ResizeInputTensor(
                self._inputs[name], np.array(array.shape, np.int32), False, self._graph
            )
        self._native.AllocateTensors(self._graph)
        for name, array in self._arrays.items():
            self._memory(name)[...] = array
        self._written = {name: [] for name in self._arrays}
        self._shapes, self._inside = shapes, True

    def leave(self) -> None:
        """Copy the changed parts of the state out of the engine's memory."""
        if self._inside:
            for name, array in self._arrays.items():
                memory, indices = self._memory(name), self._written[name]
                for index in indices if len(indices) <= FEW_WRITES else (...,):
                    array[index] = memory[index]
            self._inside = False
