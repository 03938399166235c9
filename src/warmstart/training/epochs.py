"""Batches as `keras.Model.fit` takes them."""

from __future__ import annotations

from typing import Any

import keras

from warmstart.training.batches import Batches
from warmstart.training.sorted_batches import SortedBatches


class Epochs(keras.utils.PyDataset):
    """Batches as Keras takes them; `epoch` None: always the same ones.

    Before it begins Keras looks at the first two and takes for fixed each length that they share,
    which then breaks on a longer batch. So where lengths vary, the first is shown to it twice, the
    second time with more padding.
    """

    def __init__(self, batches: Batches, epoch: int | None, workers: int):
        super().__init__(workers=workers, max_queue_size=4)
        self.batches, self.epoch, self.begun = batches, epoch, False

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index and not self.begun and isinstance(self.batches, SortedBatches):
            return self.batches.longer(self.epoch or 0, 0)
        return self.batches.batch(self.epoch or 0, index)

    def on_epoch_end(self) -> None:
        if self.epoch is not None:
            self.epoch += 1


class Begin(keras.callbacks.Callback):
    """Tells batches that Keras has seen their shapes; before threads ask for them, as
    `on_epoch_begin` is after.
    """

    def __init__(self, *data: Epochs):
        super().__init__()
        self.data = data

    def on_train_begin(self, logs: Any = None) -> None:
        self.data[0].begun = True

    def on_test_begin(self, logs: Any = None) -> None:
        self.data[-1].begun = True
