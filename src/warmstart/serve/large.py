"""Large inputs are parsed and predicted one at a time, which limits the memory that they take."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from warmstart.engines import heap

CHECK_SECONDS = 0.1
"""Seconds between two checks whether a client still waits."""
_lock = threading.Lock()


@contextlib.contextmanager
def turn(check: Callable[[], None]) -> Iterator[None]:
    """Wait until no other large input is being handled.

    Args:
        check: raises an exception if no client waits for this one.
    """
    while not _lock.acquire(timeout=CHECK_SECONDS):
        check()
    try:
        yield
    finally:
        heap.trim()
        _lock.release()
