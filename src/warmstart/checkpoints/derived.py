"""A checkpoint whose arrays are made of those of another: joined, cut, or turned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from warmstart.checkpoints.base import Checkpoint


@dataclass(frozen=True)
class Derived:
    """An array that is made when it is read.

    Attributes:
        sources: names of the arrays that it is made of.
        shape: its shape.
        make: from those arrays, in their order, to it.
    """

    sources: tuple[str, ...]
    shape: tuple[int, ...]
    make: Callable[..., np.ndarray]


class DerivedCheckpoint(Checkpoint):
    """The arrays of an open checkpoint, some of them changed; closing it closes the whole.

    Args:
        whole: an open checkpoint.
        derived: the new arrays by name. Those that they are made of have no name of their own any
            more, except where one is derived under that name.
        layout: what it is called; default: that of the whole.
        whole_names: whether the other arrays of the whole are there too.
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
        self._sources = {name for one in derived.values() for name in one.sources}

    def names(self) -> list[str]:
        hidden = self._sources | {*self.derived}
        own = [name for name in self.whole.names() if self.whole_names and name not in hidden]
        return [*own, *self.derived]

    def files(self) -> list[Path]:
        return self.whole.files()

    def shape(self, name: str) -> tuple[int, ...]:
        one = self.derived.get(name)
        return self.whole.shape(name) if one is None else one.shape

    def dtype(self, name: str) -> str:
        one = self.derived.get(name)
        return self.whole.dtype(name if one is None else one.sources[0])

    def read(self, name: str) -> np.ndarray:
        one = self.derived.get(name)
        if one is None:
            return self.whole.read(name)
        return one.make(*map(self.whole.read, one.sources))

    def close(self) -> None:
        self.whole.close()
