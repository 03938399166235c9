"""Progress bars on the terminal, and nothing where there is none."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from warmstart.hub.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID


@contextmanager
def progress_bar(*, unit: str = "bytes", enabled: bool | None = None) -> Iterator[Progress]:
    """A callback that draws one bar per name on stderr while the block runs.

    The bars appear at the first call: work that is done already draws nothing.

    Args:
        unit: "bytes" (shown with sizes and speed) or what is counted, such as "photos".
        enabled: None draws only where stderr is a terminal.

    Yields:
        Called with (name, so far, in all or None), as `warmstart.hub` does it.
    """
    if not (sys.stderr.isatty() if enabled is None else enabled):
        yield lambda name, done, total: None
        return
    bars: RichProgress | None = None
    tasks: dict[str, TaskID] = {}

    def callback(name: str, done: int, total: int | None) -> None:
        nonlocal bars
        if bars is None:
            bars = _bars(unit)
            bars.start()
        if name not in tasks:
            tasks[name] = bars.add_task(name, total=total)
        bars.update(tasks[name], completed=done, total=total)

    try:
        yield callback
    finally:
        if bars is not None:
            bars.stop()


def _bars(unit: str) -> "RichProgress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress

    counts: list[ProgressColumn] = (
        [DownloadColumn(binary_units=False), TransferSpeedColumn()]
        if unit == "bytes"
        else [MofNCompleteColumn(), TextColumn(unit, markup=False)]
    )
    name = TextColumn("{task.description}", markup=False)
    return RichProgress(
        name, BarColumn(), *counts, TimeRemainingColumn(), console=Console(stderr=True)
    )
