"""Progress on the terminal, if there is one and `--quiet` is not set."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from warmstart.core.terminal import is_quiet
from warmstart.hub.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


def is_shown() -> bool:
    """Whether progress is shown."""
    return sys.stderr.isatty() and not is_quiet()


def _ignore(name: str, done: int, total: int | None) -> None:
    pass


@contextmanager
def counting(unit: str) -> Iterator[Progress]:
    """A line on standard error for work that takes longer than a second.

    Args:
        unit: the name of the counted things, in the plural, such as "photos".

    Yields:
        A function to call with (name, count so far, total or None).
    """
    if not is_shown():
        yield _ignore
        return
    from warmstart.core.progress import ProgressLine

    line = ProgressLine(unit)
    try:
        yield line
    finally:
        line.close()


@contextmanager
def downloads() -> Iterator[Progress]:
    """A bar on standard error for each file that is fetched, from the first call on.

    Yields:
        A function to call with (name, bytes so far, total bytes or None), for `warmstart.hub`.
    """
    if not is_shown():
        yield _ignore
        return
    bars: RichProgress | None = None
    tasks: dict[str, TaskID] = {}

    def callback(name: str, done: int, total: int | None) -> None:
        nonlocal bars
        if bars is None:
            bars = _bars()
            bars.start()
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done, total=total)

    try:
        yield callback
    finally:
        if bars is not None:
            bars.stop()


def _bars() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress

    name = TextColumn("{task.description}", markup=False)
    sizes = DownloadColumn(binary_units=False)
    columns = (name, BarColumn(), sizes, TransferSpeedColumn(), TimeRemainingColumn())
    return RichProgress(*columns, console=Console(stderr=True))
