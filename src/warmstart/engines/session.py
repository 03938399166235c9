"""Calling one function of a program again and again while most of its inputs stay as they are.

A decoder's cache is tens of megabytes of which each step changes a few rows: a session keeps such inputs
in the engine's own memory, where the rows are written in place and nothing is copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from warmstart.engines.base import Engine


class Session:
    """Inputs of one function that last from call to call; for any engine.

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


