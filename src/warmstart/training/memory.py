"""The memory of training: what glibc does with that of a step when the step is over."""

from __future__ import annotations

from typing import Any

import keras

from warmstart.engines import heap


class KeepMemory(keras.callbacks.Callback):
    """Lets glibc keep the memory of one step for the next.

    `tf.data` sets it to give back all but 128 KiB, whereupon the system clears the same pages in every step: a third
    of the time of a network with large maps, and two thirds of WaveNet's. Set after the first batch, as tf.data does
    that when it begins.
    """

    begun = False

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self.begun:
            self.begun = True
            heap.set_options({heap.TRIM_THRESHOLD: 2**31 - 1, heap.MMAP_THRESHOLD: 2**25})

    def on_train_end(self, logs: Any = None) -> None:
        heap.set_options({heap.TRIM_THRESHOLD: 2**17})
