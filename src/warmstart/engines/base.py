"""Programs, and the interface of the engines that run them.

A program is a set of named functions from named arrays to named arrays, with fixed dtypes. A
dimension that is an `int` is fixed; one that is a `str` names a dynamic dimension (`"batch"`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from warmstart.errors import EngineError

PROBED = {"tokens": 24, "rows": 64, "columns": 64}
"""Sizes of dynamic dimensions in probe inputs, if two would test too little: a sentence has some
20 tokens.
"""


@dataclass(frozen=True)
class TensorSpec:
    """One input or output: its name, numpy dtype name, shape, and the range of probe values.

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

    @cached_property
    def numpy_dtype(self) -> np.dtype[Any]:
        return np.dtype(self.dtype)

    @cached_property
    def fixed(self) -> tuple[tuple[int, int], ...]:
        """(axis, size) of the dimensions that do not vary."""
        return tuple((axis, side) for axis, side in enumerate(self.shape) if isinstance(side, int))

    def probe(self, random: np.random.Generator, sizes: Mapping[str, int]) -> np.ndarray:
        """A random array of this spec, equal on every machine for equal states of the generator.

        Images (rank 4) are blocks with a little noise: closer to photos than white noise, which the
        first pooling layers average out.
        """
        shape = tuple(sizes[d] if isinstance(d, str) else d for d in self.shape)
        if np.issubdtype(self.numpy_dtype, np.integer):
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
        return cls(
            tuple(map(TensorSpec.from_dict, data["inputs"])),
            tuple(map(TensorSpec.from_dict, data["outputs"])),
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def check_specs(self) -> None:
        """Raise `ValueError` or `TypeError` unless there are inputs and outputs of known dtypes."""
        if not self.inputs or not self.outputs:
            raise ValueError("a function has no inputs or no outputs")
        for spec in (*self.inputs, *self.outputs):
            if any(isinstance(side, int) and side < 0 for side in spec.shape):
                raise ValueError(f"the shape of {spec.name!r} is {spec.shape}")
            spec.numpy_dtype  # noqa: B018 (is it known?)

    @cached_property
    def specs(self) -> Mapping[str, TensorSpec]:
        """The inputs by name."""
        return {spec.name: spec for spec in self.inputs}

    @cached_property
    def per_token(self) -> frozenset[str]:
        """The outputs that have a value for each token: (batch, tokens, …)."""
        return frozenset(spec.name for spec in self.outputs if spec.shape[1:2] == ("tokens",))

    def rows_per_call(self, batch_size: int) -> int:
        """Rows that go through the program together: fewer if it takes a fixed number."""
        first = self.inputs[0].shape[0]
        return min(batch_size, first) if isinstance(first, int) else batch_size

    def probe(self, seed: int = 0, size: int = 2) -> dict[str, np.ndarray]:
        """Deterministic inputs; every dynamic dimension gets `size` entries, except those of
        `PROBED`.
        """
        random = np.random.default_rng(seed)
        names = {d for spec in self.inputs for d in spec.shape if isinstance(d, str)}
        return {
            spec.name: spec.probe(random, {name: PROBED.get(name, size) for name in names})
            for spec in self.inputs
        }

    def check(self, function: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Raise `EngineError` unless names, dtypes and fixed dimensions are as declared."""
        specs = self.specs
        if arrays.keys() != specs.keys():
            raise EngineError(
                f"{function} takes {', '.join(specs)}; got {', '.join(arrays) or 'nothing'}."
            )
        for name, array in arrays.items():
            spec = specs[name]
            shape = array.shape
            fits = len(shape) == len(spec.shape) and array.dtype == spec.numpy_dtype
            for axis, side in spec.fixed:
                fits = fits and shape[axis] == side
            if not fits:
                raise EngineError(
                    f"{function} takes {name} as {spec.dtype} {spec.shape}; got {array.dtype} {shape}."
                )


class Signatures(dict[str, Signature]):
    """The functions of a program by name; one that is missing is an `EngineError`."""

    def __missing__(self, function: str) -> Signature:
        raise EngineError(
            f"The program has no function {function!r}; it has {', '.join(self) or 'none'}."
        )


Runner: TypeAlias = Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]
"""Runs one function: arrays by name to outputs by name."""


class Engine(ABC):
    """Runs one program. Safe to call from several threads; calls run one after another."""

    name: str
    signatures: Mapping[str, Signature]

    def __init__(self, signatures: Mapping[str, Signature]):
        self.signatures = Signatures(signatures)
        self._lock = threading.Lock()

    def run(self, function: str, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run one function of the program; returns its outputs by name, as new arrays.

        Raises:
            EngineError: there is no such function, or an array does not match its spec.
        """
        self.signatures[function].check(function, arrays)
        with self._lock:
            return self._run(function, arrays)

    def session(self, function: str, state: tuple[str, ...]) -> Session:
        """Calls of one function that share the inputs named in `state`; see `Session`."""
        return Session(self, function, state)

    @property
    def size(self) -> int:
        """Bytes of the program's file; 0 without a file."""
        return 0

    def workers(self, count: int | None = None) -> Sequence[Engine]:
        """Engines for the same program that run in parallel, each in its own Python thread: for
        many calls this is faster than to split each one.

        Args:
            count: how many, each with its share of the CPUs; default: one per CPU.

        Returns:
            That many engines; only this one, if there can be no others.
        """
        return (self,)

    @abstractmethod
    def _run(self, function: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class Session:
    """State of one function that persists between calls, for any engine.

    A decoder's cache has tens of megabytes, of which each step changes a few rows. A session stores
    such inputs in the memory of the engine, where the rows are written in place and nothing is
    copied.

    Several sessions may share one engine, also from several threads: each call sees its own inputs.

    Args:
        engine: the engine of the program.
        function: of the program.
        state: names of the inputs that persist; zeros until they are written.
    """

    def __init__(self, engine: Engine, function: str, state: tuple[str, ...]):
        self._engine, self._function, self._state = engine, function, state
        self._dtypes = {spec.name: spec.dtype for spec in engine.signatures[function].inputs}
        self._arrays: dict[str, np.ndarray] = {}

    def resize(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Change the shapes of the state; the common part of each array is preserved, the rest is
        zero.
        """
        for name, shape in shapes.items():
            new, old = np.zeros(shape, self._dtypes[name]), self._arrays.get(name)
            if old is not None:
                common = tuple(slice(min(a, b)) for a, b in zip(shape, old.shape, strict=True))
                new[common] = old[common]
            self._arrays[name] = new

    def write(self, name: str, index: Any, values: Any) -> None:
        """`state[name][index] = values`."""
        self._arrays[name][index] = values

    def read(self, name: str, index: Any) -> np.ndarray:
        """A copy of `state[name][index]`."""
        return np.array(self._arrays[name][index])

    def run(self, **arrays: np.ndarray) -> dict[str, np.ndarray]:
        """Run the function on the state and on these arrays, which are all its other inputs.

        Raises:
            EngineError: an array does not match its spec.
        """
        return self._engine.run(self._function, **self._arrays, **arrays)
