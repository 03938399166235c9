"""Batches as `keras.Model.fit` takes them."""

from __future__ import annotations

from typing import Any

import keras

from warmstart.training.batches import Batches
from warmstart.training.sorted_batches import SortedBatches


class Epochs(keras.utils.PyDataset):
    """Batches as Keras takes them; `epoch` None: the same ones in every epoch.

    Before it starts, Keras fixes every length that the first two batches have in common, and a
    longer batch then fails. Where lengths vary, Keras therefore gets the first batch twice, the
    second time with more padding.
    """

    def __init__(self, batches: Batches, epoch: int | None, workers: int):
        super().__init__(workers=workers, max_queue_size=4)
        self.batches, self.epoch, self.started = batches, epoch, False

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index and not self.started and isinstance(self.batches, SortedBatches):
            return self.batches.longer(self.epoch or 0, 0)
        return self.batches.batch(self.epoch or 0, index)

    def on_epoch_end(self) -> None:
        if self.epoch is not None:
            self.epoch += 1


class MarkStarted(keras.callbacks.Callback):
    """Marks data as started when Keras has seen its shapes. `on_epoch_begin` would be too late: by
    then threads already read batches.
    """

    def __init__(self, *data: Epochs):
        super().__init__()
        self.data = data

    def on_train_begin(self, logs: Any = None) -> None:
        self.data[0].started = True

    def on_test_begin(self, logs: Any = None) -> None:
        self.data[-1].started = True
