"""Files that are mapped into memory: read where they are used, and released when they are not."""

from __future__ import annotations

import contextlib
import mmap
import threading
from collections.abc import Iterator
from pathlib import Path

SECONDS = 0.02
"""Between two releases of a file that is being copied."""


def map_file(path: Path) -> mmap.mmap:
    """A file, mapped for reading.

    Raises:
        OSError: it cannot be read.
        ValueError: it is empty.
    """
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def release(memory: mmap.mmap) -> None:
    """Give the memory of a mapped file back to the system; what is needed later is read again."""
    if hasattr(memory, "madvise"):  # not on Windows
        memory.madvise(mmap.MADV_DONTNEED)


@contextlib.contextmanager
def releasing(memory: mmap.mmap) -> Iterator[None]:
    """Release a mapped file repeatedly while a block copies it, so that its memory and the copy are
    never both complete.
    """
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(SECONDS):
            release(memory)

    thread = threading.Thread(target=work, name="warmstart-release", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        release(memory)
