"""Decode and preprocess in threads, ahead of the engine that uses the results: in order, in bounded
memory.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from warmstart.engines.machine import usable_cpus
from warmstart.errors import InputError, UsageError

if TYPE_CHECKING:
    from concurrent.futures import Future

    from warmstart.core.inputs import Item

T = TypeVar("T")
AHEAD = 32
"""Maximum number of items that are being decoded or wait, enough for the next batch."""

SLOW = 0.005
"""Seconds of waiting for items after which a finished result is yielded first."""


def default_workers() -> int:
    """Threads that decode: one for each processor this process may use (WARMSTART_THREADS), but no
    more than four.
    """
    if (threads := os.environ.get("WARMSTART_THREADS", "")).isdecimal() and int(threads):
        return min(4, int(threads))
    return min(4, usable_cpus())


def decoded(
    items: Iterable[Item],
    work: Callable[[Item], T],
    *,
    workers: int | None = None,
    ahead: int = AHEAD,
) -> Generator[tuple[Item, T | InputError]]:
    """(item, work(item)) for every item, in their order, with `work` done in threads while the
    caller is busy.

    An InputError of `work` is the result of its item; any other exception is raised after all earlier
    results, with a note that names the item. So is an exception of `items` itself.

    `items` is consumed in the caller's thread, lazily: at most `ahead` items have no yielded result.
    From a slow source (a camera), a result is yielded as soon as the next item has come. Closing the
    iterator drops waiting items; it waits up to a second for those being decoded.

    Args:
        items: to decode.
        work: called with each item.
        workers: number of threads; default: `default_workers()`.
        ahead: see above.

    Raises:
        UsageError: `workers` or `ahead` is below 1.
    """
    workers = default_workers() if workers is None else workers
    if workers < 1 or ahead < 1:
        raise UsageError(
            f"decoding needs at least one worker and one item ahead, not {workers} and {ahead}"
        )
    return _decoded(iter(items), work, workers, ahead)


def _decoded(
    source: Iterator[Item], work: Callable[[Item], T], workers: int, ahead: int
) -> Generator[tuple[Item, T | InputError]]:
    from concurrent.futures import (
        ThreadPoolExecutor,
        wait,
    )  # 30 ms with logging: not for a single picture

    pool = ThreadPoolExecutor(workers, thread_name_prefix="warmstart-decode")
    window: deque[tuple[Item, Future[T]]] = deque()
    failure: Exception | None = None
    more = True
    try:
        while True:
            began = monotonic()
            while more and len(window) < ahead:
                try:
                    item = next(source)
                except StopIteration:
                    more = False
                except Exception as error:  # its turn is after the results of the items before it
                    failure, more = error, False
                else:
                    window.append((item, pool.submit(copy_context().run, work, item)))
                    if monotonic() - began > SLOW and window[0][1].done():
                        break
            if not window:
                if failure is not None:
                    raise failure
                return
            item, future = window.popleft()
            try:
                result: T | InputError = future.result()
            except InputError as error:
                result = error
            except Exception as error:
                error.add_note(f"while decoding {item.name}")
                raise
            yield item, result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        wait([future for _, future in window if not future.cancelled()], timeout=1.0)
