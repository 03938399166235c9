"""What a program is, and what an engine promises to do with it.

A program is a set of named functions from named arrays to named arrays, with fixed dtypes. A
dimension that is an `int` is fixed; one that is a `str` names a dynamic dimension (`"batch"`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from warmstart.errors import EngineError

PROBED = {"tokens": 24}
"""Sizes of dynamic dimensions that would be told too little of by a few entries: a sentence has some twenty tokens."""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name, numpy dtype name, shape, and the range that probes draw from.

    `tensor` is the name inside the compiled file, for engines that do not read signatures.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    low: float = 0.0
    high: float = 1.0
    tensor: str = ""

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TensorSpec:
        return cls(**{**data, "shape": tuple(data["shape"])})

    def probe(self, random: np.random.Generator, sizes: Mapping[str, int]) -> np.ndarray:
        """An array of this spec, the same on every machine for the same generator state.

        Pictures (rank 4) are made of blocks with a little noise on top: closer to photos than
        white noise, which the first pooling layers average away.
        """
        shape = tuple(sizes[d] if isinstance(d, str) else d for d in self.shape)
        if np.issubdtype(np.dtype(self.dtype), np.integer):
            return random.integers(int(self.low), int(self.high), shape, self.dtype, endpoint=True)
        values = random.random(shape)
        if len(shape) == 4:
            side = max(shape[1] // 8, 1)
            rows, columns = np.arange(shape[1]) // side, np.arange(shape[2]) // side
            blocks = random.random((shape[0], rows[-1] + 1, columns[-1] + 1, shape[3]))
            values = 0.8 * blocks[:, rows][:, :, columns] + 0.2 * values
        return (self.low + (self.high - self.low) * values).astype(self.dtype)


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of one function of a program."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Signature:
        return cls(tuple(map(TensorSpec.from_dict, data["inputs"])), tuple(map(TensorSpec.from_dict, data["outputs"])))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def probe(self, seed: int = 0, size: int = 2) -> dict[str, np.ndarray]:
        """Deterministic inputs; every dynamic dimension gets `size` entries, except those of `PROBED`."""
        random = np.random.default_rng(seed)
        names = {d for spec in self.inputs for d in spec.shape if isinstance(d, str)}
        return {spec.name: spec.probe(random, {name: PROBED.get(name, size) for name in names}) for spec in self.inputs}

    def check(self, function: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Raise `EngineError` unless names, dtypes and fixed dimensions are the declared ones."""
        expected = {spec.name: spec for spec in self.inputs}
        if arrays.keys() != expected.keys():
            raise EngineError(f"{function} takes {', '.join(expected)}; it was given {', '.join(arrays) or 'nothing'}.")
        for name, array in arrays.items():
            spec = expected[name]
            fits = array.ndim == len(spec.shape) and all(
                isinstance(want, str) or want == got for want, got in zip(spec.shape, array.shape, strict=False)
            )
            if not fits or array.dtype != spec.dtype:
                raise EngineError(
                    f"{function} takes {name} as {spec.dtype} {spec.shape}; it was given {array.dtype} {array.shape}."
                )


class Engine(ABC):
    """Runs one program. Safe to call from several threads; calls run one after another."""

    name: str
    signatures: Mapping[str, Signature]

    def __init__(self, signatures: Mapping[str, Signature]):
        self.signatures = signatures
        self._lock = threading.Lock()

    def run(self, function: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run one function of the program; returns its outputs by name, as arrays of the caller's own.

        Raises:
            EngineError: there is no such function, or an array is not as its spec says.
        """
        if function not in self.signatures:
            raise EngineError(f"The program has no function {function!r}; it has {', '.join(self.signatures)}.")
        self.signatures[function].check(function, arrays)
        with self._lock:
            return self._run(function, arrays)

    def session(self, function: str, kept: tuple[str, ...]) -> Session:
        """A series of calls of one function whose inputs `kept` stay between the calls; see `Session`."""
        return Session(self, function, kept)

    @property
    def size(self) -> int:
        """Bytes of the program's file; 0 where there is none."""
        return 0

    def workers(self, count: int | None = None) -> Sequence[Engine]:
        """Engines for the same program that run side by side, in a thread of Python each: many calls gain more from
        that than from sharing out each one.

        Args:
            count: how many, each with its share of the CPUs; default: one a CPU.

        Returns:
            So many; just this one, where there can be no others.
        """
        return (self,)

    @abstractmethod
    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class Session:
    """Inputs of one function that last from call to call; for any engine.

    A decoder's cache is tens of megabytes of which each step changes a few rows: a session keeps such inputs in the
    engine's own memory, where the rows are written in place and nothing is copied.

    Several sessions may use one engine in turns, also from several threads: each call sees its own inputs.

    Args:
        engine: which runs the program.
        function: of the program.
        kept: names of the inputs that stay; zeros before they are written.
    """

    def __init__(self, engine: Engine, function: str, kept: tuple[str, ...]):
        self._engine, self._function, self._kept = engine, function, kept
        self._dtypes = {spec.name: spec.dtype for spec in engine.signatures[function].inputs}
        self._arrays: dict[str, np.ndarray] = {}

    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Give the kept inputs other shapes: what they hold stays as far as it fits, the rest is zero."""
        for name, shape in shapes.items():
            new, old = np.zeros(shape, self._dtypes[name]), self._arrays.get(name)
            if old is not None:
                common = tuple(slice(min(a, b)) for a, b in zip(shape, old.shape, strict=True))
                new[common] = old[common]
            self._arrays[name] = new

    def write(self, name: str, place: Any, values: Any) -> None:
        """`kept[name][place] = values`."""
        self._arrays[name][place] = values

    def run(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run the function on the kept inputs and on these, which are all the others.

        Raises:
            EngineError: an array is not as its spec says.
        """
        return self._engine.run(self._function, **self._arrays, **arrays)
