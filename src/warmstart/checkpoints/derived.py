"""A checkpoint whose arrays are derived from those of another: joined, split or transposed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from warmstart.checkpoints.base import Checkpoint


@dataclass(frozen=True)
class Derived:
    """An array that is computed when it is read.

    Attributes:
        sources: names of the source arrays.
        shape: its shape.
        make: computes it from the source arrays.
    """

    sources: tuple[str, ...]
    shape: tuple[int, ...]
    make: Callable[..., np.ndarray]


class DerivedCheckpoint(Checkpoint):
    """The arrays of an open checkpoint, some of them changed; closing it closes that checkpoint.

    Args:
        source: an open checkpoint.
        derived: the new arrays by name. Their source arrays are hidden, unless an array is derived
            under the same name.
        layout: its layout; default: that of the source.
        keep_others: whether it also has the other arrays of the source.
    """

    def __init__(
        self,
        source: Checkpoint,
        derived: Mapping[str, Derived],
        *,
        layout: str | None = None,
        keep_others: bool = True,
    ):
        self.path, self.layout = source.path, layout or source.layout
        self.source, self.derived, self.keep_others = source, derived, keep_others
        self._sources = {name for array in derived.values() for name in array.sources}

    def names(self) -> list[str]:
        hidden = self._sources | {*self.derived}
        own = [name for name in self.source.names() if self.keep_others and name not in hidden]
        return [*own, *self.derived]

    def files(self) -> list[Path]:
        return self.source.files()

    def shape(self, name: str) -> tuple[int, ...]:
        array = self.derived.get(name)
        return self.source.shape(name) if array is None else array.shape

    def dtype(self, name: str) -> str:
        array = self.derived.get(name)
        return self.source.dtype(name if array is None else array.sources[0])

    def read(self, name: str) -> np.ndarray:
        array = self.derived.get(name)
        if array is None:
            return self.source.read(name)
        return array.make(*map(self.source.read, array.sources))

    def close(self) -> None:
        self.source.close()
