"""Progress on standard error: a line with a count and a bar, which is redrawn during the work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar, cast

from warmstart.core.terminal import bar
from warmstart.errors import UsageError
from warmstart.hub.progress import Progress

T = TypeVar("T")
PATIENCE = 1.0
"""Seconds of work before progress is shown."""
EVERY = 0.2
"""Seconds between two updates."""
EVERY_LINE = 10.0
"""Seconds between two updates if each is a line, in a file."""
CELLS = 20


class ProgressLine:
    """Draws `name  ███  120 of 1,000 photos, 0:08 left` while it is called.

    On a terminal and in a notebook the line is redrawn; elsewhere a line is written now and then.

    Args:
        unit: what is counted, in the plural; "" leaves it out.
    """

    def __init__(self, unit: str = ""):
        self.unit = f" {unit}" if unit else ""
        self._begun = time.monotonic()
        self._last = self._begun + PATIENCE
        self._redraws = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._width = 0

    def __call__(self, name: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if done == total:
            if self._width:
                self._draw(self._text(name, done, total, now))
                self.close()
            return
        if now < self._last:
            return
        self._last = now + (EVERY if self._redraws else EVERY_LINE)
        self._draw(self._text(name, done, total, now))

    def close(self) -> None:
        """End the line."""
        if self._width and self._redraws:
            print(file=sys.stderr, flush=True)
        self._width = 0

    def _text(self, name: str, done: int, total: int | None, now: float) -> str:
        seconds = now - self._begun
        if not total:
            return f"{name}  {done:,}{self.unit}, {_clock(seconds)}"
        filled = bar(done / total, CELLS)
        count = f"{done:,} of {total:,}{self.unit}"
        if done == total:
            return f"{name}  {filled}  {count} in {_clock(seconds)}"
        left = f", {_clock(seconds / done * (total - done))} left" if done >= total / 100 else ""
        return f"{name}  {filled:<{CELLS}}  {count}{left}"

    def _draw(self, text: str) -> None:
        if self._redraws:
            print(f"\r{text:<{self._width}}", end="", file=sys.stderr, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)
        self._width = len(text)


def progress_of(option: Any) -> Progress | None:
    """The function for the option `progress`; True stands for a `ProgressLine`.

    Raises:
        UsageError: it is something else.
    """
    if option is None or option is False:
        return None
    if option is True:
        return ProgressLine()
    if not callable(option):
        raise UsageError(f"progress must be True or a function, not {option!r}.")
    return cast("Progress", option)


def reported(
    results: Iterable[T], options: Any, name: str, count: Callable[[], int | None]
) -> Iterator[T]:
    """The results, each reported when the next one is asked for.

    Args:
        results: of the inputs, in order.
        options: of the call; `progress` of them is called after each.
        name: of the model.
        count: the number of inputs; None if it is unknown.
    """
    progress: Progress | None = getattr(options, "progress", None)
    if progress is None:
        yield from results
        return
    total = count()
    try:
        for done, result in enumerate(results, 1):
            yield result
            progress(name, done, total)
    finally:
        if isinstance(progress, ProgressLine):
            progress.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
