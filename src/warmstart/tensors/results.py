"""The result of a model of arrays."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from warmstart.core.wire import Digits, Record, Result, Wire

SHOWN = 4
"""Numbers of an array that its short form shows."""


@dataclass(frozen=True, eq=False)
class NamedArray(Record):
    """One output: its name, dtype and shape, and its numbers row by row, as the Open Inference
    Protocol has them.
    """

    wire: ClassVar = ("name", "dtype", "shape", "data")

    name: str
    array: NDArray[Any]

    @property
    def dtype(self) -> str:
        return str(self.array.dtype.name)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def data(self) -> Annotated[NDArray[Any], Wire(list[Annotated[float, Digits(10)]])]:
        return self.array.ravel()


@dataclass(frozen=True, eq=False, repr=False)
class Arrays(Result):
    """The outputs of one input, by name: `result["price"]` is an array, `dict(result)` all of them.

    Example:
        >>> arrays = ws.load("prices-model")({"area": 120.0, "rooms": 5})
        >>> list(arrays.keys()), arrays["price"].dtype
        (['price'], dtype('float32'))
    """

    rows: ClassVar = "arrays"
    files: ClassVar = (".npz",)

    input: str
    model: str
    arrays: tuple[NamedArray, ...]

    def keys(self) -> list[str]:
        """The names of the outputs."""
        return [output.name for output in self.arrays]

    def __getitem__(self, name: str) -> NDArray[Any]:
        for output in self.arrays:
            if output.name == name:
                return output.array
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.arrays)

    def file_content(self, suffix: str) -> bytes:
        file = io.BytesIO()
        outputs: Any = dict(self)
        np.savez(file, **outputs)
        return file.getvalue()

    def __str__(self) -> str:
        return "; ".join(f"{output.name} {_shown(output.array)}" for output in self.arrays)

    def show(self) -> str:
        lines = (f"  {output.name}  {_shown(output.array)}" for output in self.arrays)
        return "\n".join([self.input, *lines, ""])


def _shown(array: NDArray[Any]) -> str:
    """A short text of an array: its first numbers, and its shape if it has more."""
    numbers = " ".join(f"{value:.6g}" for value in array.ravel()[:SHOWN].tolist())
    if array.size <= SHOWN:
        return numbers
    shape = " x ".join(map(str, array.shape))
    return f"{shape}: {numbers} …"
