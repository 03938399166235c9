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
    """The arrays of an open checkpoint, some of them changed; closing it closes the whole.

    Args:
        whole: an open checkpoint.
        derived: the new arrays by name. Their source arrays are hidden, unless an array is derived
            under the same name.
        layout: its layout; default: that of the whole.
        whole_names: whether it has the other arrays of the whole, too.
    """

    def __init__(
        self,
        whole: Checkpoint,
        derived: Mapping[str, Derived],
        *,
        layout: str | None = None,
        whole_names: bool = True,
    ):
        self.path, self.layout = whole.path, layout or whole.layout
        self.whole, self.derived, self.whole_names = whole, derived, whole_names
        self._sources = {name for array in derived.values() for name in array.sources}

    def names(self) -> list[str]:
        hidden = self._sources | {*self.derived}
        own = [name for name in self.whole.names() if self.whole_names and name not in hidden]
        return [*own, *self.derived]

    def files(self) -> list[Path]:
        return self.whole.files()

    def shape(self, name: str) -> tuple[int, ...]:
        array = self.derived.get(name)
        return self.whole.shape(name) if array is None else array.shape

    def dtype(self, name: str) -> str:
        array = self.derived.get(name)
        return self.whole.dtype(name if array is None else array.sources[0])

    def read(self, name: str) -> np.ndarray:
        array = self.derived.get(name)
        if array is None:
            return self.whole.read(name)
        return array.make(*map(self.whole.read, array.sources))

    def close(self) -> None:
        self.whole.close()
