"""Stopping work that nobody waits for: a token that the steps of a model look at.

with cancellation.scope(request_is_gone):
    model(text)                      # raises CancelledError between two steps once request_is_gone() is true
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from warmstart.errors import CancelledError

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
    """Raise `CancelledError` where the surrounding `scope` is cancelled."""
    cancelled = _cancelled.get()
    if cancelled is not None and cancelled():
        raise CancelledError("The work was cancelled.")
