"""Options of glibc's malloc (mallopt(3)), if the C library is glibc."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Mapping

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of <malloc.h>


def set_options(values: Mapping[int, int]) -> None:
    """Set options of this process; does nothing without glibc."""
    if mallopt := _function("mallopt"):
        for option, value in values.items():
            mallopt(option, value)


def trim() -> None:
    """Return free memory to the system; does nothing without glibc."""
    if malloc_trim := _function("malloc_trim"):
        malloc_trim(0)


def _function(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
