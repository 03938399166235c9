"""An input on its way to the engine, and the steps of computing its outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from warmstart.core import cancellation

if TYPE_CHECKING:
    from numpy.typing import NDArray

Row: TypeAlias = "Mapping[str, NDArray[Any]]"
"""The arrays of one input by name, without the dimension of the batch."""
Outputs: TypeAlias = Sequence[Any]
"""What `compute` returns for one input: for programs of one function its rows of outputs, one for
each window.
"""


@dataclass(frozen=True, eq=False)
class Prepared:
    """An input on its way to the engine.

    Attributes:
        name: of the input.
        rows: the arrays of the program, for each window of the input; most inputs are one window.
        context: what else `decode` needs: the text, the size of the photo.
        index: of the input in the call.
    """

    name: str
    rows: Sequence[Row] = ()
    context: Any = None
    index: int = 0


def drive(steps: Generator[None, None, Sequence[Any]]) -> Sequence[Any]:
    """Run steps to their end; close them where they do not get there.

    Raises:
        CancelledError: nobody waits for the answer any more; see `cancellation`.
    """
    with contextlib.closing(steps):
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                answer: Sequence[Any] = stop.value
                return answer
            cancellation.check()
