"""What glibc's malloc does with memory that is free: options of mallopt(3), where the C library has them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of <malloc.h>


def set_options(values: Mapping[int, int]) -> None:
    """Set options of this process; nothing where there are none (not Linux, or another C library)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    for option, value in values.items():
        if mallopt is not None:
            mallopt(option, value)
