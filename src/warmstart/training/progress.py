"""A line on the terminal while a model trains: epoch, batches, loss, the metric, time left. Nothing elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Self

import keras

EVERY = 0.2  # seconds; reading the loss more often would make every step wait for the device


class Bar:
    """Draws on stderr while it is entered, where that is a terminal.

    Args:
        name: of what is trained.
        epochs: in all.
        steps: batches an epoch.
        start: epochs that are done already.
    """

    def __init__(self, name: str, epochs: int, steps: int, start: int = 0):
        self.name, self.epochs, self.steps, self.epoch = name, epochs, steps, start
        self.shown: Any = None
        self.validation = ""
        self.last = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self.shown = Progress(TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn(),
                                  console=Console(stderr=True))
            self.shown.start()
            self.task = self.shown.add_task(self.name, total=self.epochs * self.steps,
                                            completed=self.epoch * self.steps)
        return self

    def __exit__(self, *error: object) -> None:
        if self.shown is not None:
            self.shown.stop()

    def show(self, step: int, logs: Callable[[], dict[str, Any]]) -> None:
        """Batch `step` (from 1) of the current epoch is done; `logs` is only asked where something is drawn."""
        if self.shown is None or time.monotonic() - self.last < EVERY:
            return
        self.last = time.monotonic()
        numbers = " ".join(f"{key} {float(value):.4g}" for key, value in list(logs().items())[:2])
        text = f"{self.name}, epoch {self.epoch + 1}/{self.epochs} {numbers} {self.validation}"
        self.shown.update(self.task, description=text.rstrip(), completed=self.epoch * self.steps + step)

    def epoch_done(self, epoch: int, logs: dict[str, Any]) -> None:
        """Epoch `epoch` (from 1) is done."""
        self.epoch, self.last = epoch, 0.0
        told = [(key, value) for key, value in logs.items() if key.startswith("val_")][:2]
        self.validation = " ".join(f"{key} {float(value):.4g}" for key, value in told)

    def callback(self) -> keras.callbacks.Callback:
        """Tells this bar what Keras does."""
        return keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: self.show(batch + 1, lambda: logs or {}),
            on_epoch_end=lambda epoch, logs: self.epoch_done(epoch + 1, logs or {}),
        )
