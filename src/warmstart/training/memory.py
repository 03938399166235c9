"""The memory of training: what glibc does with that of a step when the step is over."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping
from typing import Any

import keras


class KeepMemory(keras.callbacks.Callback):
    """Lets glibc keep the memory of one step for the next.

    `tf.data` sets it to give back all but 128 KiB, whereupon the system clears the same pages in every step: a third
    of the time of a network with large maps, and two thirds of WaveNet's. Set after the first batch, as tf.data does
    that when it begins.
    """

    TRIM, MMAP = -1, -3  # of malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
    begun = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self.begun:
            self.begun = True
            self._set({self.TRIM: 2**31 - 1, self.MMAP: 2**25})

    def on_train_end(self, logs: Any = None) -> None:
        self._set({self.TRIM: 2**17})

    def _set(self, values: Mapping[int, int]) -> None:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
        for name, value in values.items():
            if mallopt is not None:
                mallopt(name, value)
