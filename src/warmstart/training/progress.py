"""The terminal output of fine-tuning, on stderr: lines, and a bar while a model trains."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

EVERY = 0.2
"""Seconds between updates; reading the loss more often would make every step wait for the device.
"""
HIDDEN = ("epoch", "seconds", "learning_rate")


class Terminal:
    """All output to the terminal.

    Args:
        verbose: whether anything is shown.
    """

    def __init__(self, verbose: bool):
        self.verbose = verbose

    def write_lines(self, *lines: str) -> None:
        """Write lines."""
        for line in lines if self.verbose else ():
            print(line, file=sys.stderr, flush=True)

    def bar(self, name: str, epochs: int, steps: int) -> Bar:
        """The progress bar of one fit."""
        return Bar(self, name, epochs, steps)


class Bar:
    """A context manager that shows epoch, batches, loss, metrics and time left; one line per epoch
    where stderr is not a terminal.

    Args:
        terminal: where it is shown.
        name: of the fit.
        epochs: in total.
        steps: batches per epoch.
    """

    def __init__(self, terminal: Terminal, name: str, epochs: int, steps: int):
        self.terminal, self.name = terminal, name
        self.epochs, self.steps, self.epoch = epochs, steps, 0
        self.progress: Any = None
        self.validation = ""
        self.last = 0.0

    def __enter__(self) -> Self:
        if self.terminal.verbose and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TimeRemainingColumn(),
            )
            self.progress = Progress(*columns, console=Console(stderr=True))
            self.progress.start()
            self.row = self.progress.add_task(
                self.name, total=self.epochs * self.steps, completed=self.epoch * self.steps
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self.progress is not None:
            self.progress.stop()

    def batch_done(self, step: int, logs: Callable[[], Mapping[str, Any]]) -> None:
        """Show batch `step` (from 1) of the current epoch; `logs` is called only if the bar is
        shown.
        """
        if self.progress is None or time.monotonic() - self.last < EVERY:
            return
        self.last = time.monotonic()
        metrics = " ".join(f"{key} {float(value):.4g}" for key, value in list(logs().items())[:2])
        description = (
            f"{self.name}, epoch {self.epoch + 1}/{self.epochs} {metrics} {self.validation}"
        )
        completed = self.epoch * self.steps + step
        self.progress.update(self.row, description=description.rstrip(), completed=completed)

    def epoch_done(self, record: Mapping[str, float]) -> None:
        """Show an epoch by its record of the history."""
        self.epoch, self.last = int(record["epoch"]), 0.0
        metrics = {key: value for key, value in record.items() if key not in HIDDEN}
        validation = [(key, value) for key, value in metrics.items() if key.startswith("val_")][:2]
        self.validation = " ".join(f"{key} {value:.4g}" for key, value in validation)
        if self.progress is None:
            shown = ", ".join(f"{key} {value:.4g}" for key, value in metrics.items())
            self.terminal.write_lines(
                f"{self.name}: epoch {self.epoch}/{self.epochs}, {shown} ({record['seconds']:.1f} s)"
            )
