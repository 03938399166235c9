"""Cancellation of abandoned work: models check between their steps whether to stop.

with cancellation.scope(request_is_gone):
    model(text)                      # raises CancelledError between two steps once request_is_gone() is true
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from warmstart.errors import CancelledError

Steps: TypeAlias = Generator[None, None, Sequence[Any]]
"""Computes the outputs of several inputs; yields between steps, where the caller may stop."""

_cancelled: ContextVar[Callable[[], bool] | None] = ContextVar("warmstart_cancelled", default=None)


@contextmanager
def scope(cancelled: Callable[[], bool]) -> Iterator[None]:
    """Work inside stops between two steps once `cancelled()` is true."""
    token = _cancelled.set(cancelled)
    try:
        yield
    finally:
        _cancelled.reset(token)


def check() -> None:
    """Raise `CancelledError` if the surrounding `scope` is cancelled."""
    cancelled = _cancelled.get()
    if cancelled is not None and cancelled():
        raise CancelledError("The work was cancelled.")


def drive(steps: Steps) -> Sequence[Any]:
    """Run steps to their end; close them if they are cancelled or fail.

    Raises:
        CancelledError: the surrounding `scope` is cancelled.
    """
    try:
        while True:
            check()
            next(steps)
    except StopIteration as stop:
        check()
        outputs: Sequence[Any] = stop.value
        return outputs
    finally:
        steps.close()
