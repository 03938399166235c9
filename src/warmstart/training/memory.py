"""Keeps freed memory for the next training step instead of returning it to the system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from warmstart.engines import heap

RETAINED = {heap.TRIM_THRESHOLD: 2**31 - 1, heap.MMAP_THRESHOLD: 2**25}
RELEASED = {heap.TRIM_THRESHOLD: 2**17}
"""tf.data's own setting. The threshold of mmap stays at 32 MiB, to which glibc's adaptive threshold
also grows in a process that frees large arrays.
"""


class RetainMemory(keras.callbacks.Callback):
    """Sets the options after the first batch, because tf.data sets its own at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.retaining = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self.retaining:
            self.retaining = True
            heap.set_options(RETAINED)


@contextmanager
def retained_memory() -> Iterator[keras.callbacks.Callback]:
    """Retain freed memory while the block trains with the callback; return it to the system at the
    end.

    `tf.data` makes glibc return all but 128 KiB, and the system then clears the same pages in every
    step: a third of the time of a network with large maps, and two thirds of WaveNet's.
    """
    callback = RetainMemory()
    try:
        yield callback
    finally:
        if callback.retaining:
            heap.set_options(RELEASED)
            heap.trim()
