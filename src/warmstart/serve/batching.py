"""A bounded queue in front of one model, and the threads that empty it in batches.

Inputs of the same key go through the engine together. While the engine is idle nothing waits; while
it is busy, inputs gather until the batch is full or the oldest has waited long enough.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from warmstart.core import cancellation
from warmstart.errors import CancelledError, InputError, UsageError


class Full(Exception):
    """The queue has no room."""


class Closed(Exception):
    """The queue takes nothing more."""


class Expired(Exception):
    """The deadline passed before the input's turn came."""


@dataclass(frozen=True)
class Outcome:
    """An answer, and how it came about.

    Attributes:
        value: of the one input.
        queued, running: seconds of waiting, and of the batch it was in.
        batch: inputs of that batch.
    """

    value: Any
    queued: float
    running: float
    batch: int


class Answer(Future[Outcome]):
    """The answer to one input, which may be abandoned while it is computed."""

    abandoned_at = float("inf")

    def abandon(self) -> None:
        """Nobody waits for it: it is not begun, and work on it stops at the next step."""
        self.abandoned_at = min(self.abandoned_at, time.monotonic())
        self.cancel()


@dataclass(eq=False)
class _Job:
    key: Hashable
    value: Any
    deadline: float
    since: float = field(default_factory=time.monotonic)
    future: Answer = field(default_factory=Answer)

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether nobody has waited for the answer for so many seconds."""
        end = min(self.future.abandoned_at, self.deadline)
        return end + seconds <= time.monotonic() or self.future.cancelled()


OVERDUE = 1.0
"""Seconds that work may go on after its last request has gone, before its thread counts as stuck."""
FAILURES = 3
"""Answers in a row that fail by no fault of their input, after which a model counts as broken."""


Run = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""(key, values) -> a result or an exception for each value, in order. What it raises is put to each
value alone.
"""


class Batcher:
    """Answers inputs in batches, in threads of its own.

    Args:
        run: the work; called from several threads at once.
        size: most inputs of a batch.
        delay: seconds that the oldest input waits for others while all lanes are taken.
        capacity: inputs that may wait.
        lanes: batches that are computed side by side.
        workers: threads, one a lane or more; one more prepares its inputs while the others have the
            engines.
        observe: called after each batch with (size, seconds, seconds that each input waited, how
            many failed).
        name: of the threads.
    """

    def __init__(
        self,
        run: Run,
        *,
        size: int = 8,
        delay: float = 0.0,
        capacity: int = 64,
        workers: int = 2,
        lanes: int = 1,
        observe: Callable[[int, float, list[float], int], None] | None = None,
        name: str = "model",
    ):
        if size < 1 or capacity < 1 or workers < 1:
            raise UsageError(
                f"A queue needs a size, capacity and workers of 1 or more, not {size}, {capacity} and "
                f"{workers}."
            )
        self._run, self._size, self._delay, self._capacity, self._observe = (
            run,
            size,
            delay,
            capacity,
            observe,
        )
        self._lanes = lanes
        self._changed = threading.Condition()
        self._waiting: deque[_Job] = deque()
        self._closed = False
        self._failures = 0
        self._running: dict[int, list[_Job]] = {}  # by thread
        self._threads = [
            threading.Thread(target=self._work, name=f"warmstart-{name}-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Inputs whose turn has not come."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """Batches that are being computed."""
        return len(self._running)

    @property
    def full(self) -> bool:
        """Whether the next input would be refused."""
        return len(self._waiting) >= self._capacity

    @property
    def stuck(self) -> bool:
        """Whether all threads are busy with work that nobody has waited for since `OVERDUE`."""
        with self._changed:
            jobs = [job for batch in self._running.values() for job in batch]
            return self.busy == len(self._threads) and all(job.is_over(OVERDUE) for job in jobs)

    @property
    def broken(self) -> bool:
        """Whether the last answers all failed, by no fault of their inputs."""
        return self._failures >= FAILURES

    def submit(
        self, key: Hashable, values: Sequence[Any], deadline: float = float("inf")
    ) -> list[Answer]:
        """Queue inputs, all or none.

        Args:
            key: inputs of one key are answered together.
            values: as `run` takes them.
            deadline: of `time.monotonic`; an input that has not begun by then gets `Expired`.

        Returns:
            The answer to each.

        Raises:
            Full: there is no room. More inputs than there is ever room for are taken where nothing
                waits.
            Closed: after `close`.
        """
        jobs = [_Job(key, value, deadline) for value in values]
        with self._changed:
            if self._closed:
                raise Closed
            if self._waiting and len(self._waiting) + len(jobs) > self._capacity:
                self._drop()
                if self._waiting and len(self._waiting) + len(jobs) > self._capacity:
                    raise Full
            self._waiting.extend(jobs)
            self._changed.notify(len(jobs) if self.busy < self._lanes else 1)
        return [job.future for job in jobs]

    def close(self) -> None:
        """Take nothing more; what is queued is still answered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until everything is answered, after `close`; whether it is."""
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(end - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._answer(batch)
            finally:
                with self._changed:
                    del self._running[threading.get_ident()]
                    self._changed.notify_all()
            del batch  # while waiting for the next one, this thread holds on to nobody's photos

    def _take(self) -> list[_Job] | None:
        """The next batch; None after `close`, when all is answered."""
        with self._changed:
            while True:
                self._drop()
                if not self._waiting:
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                first = self._waiting[0]
                mates = [job for job in self._waiting if job.key == first.key][: self._size]
                patience = first.since + self._delay - time.monotonic()
                if (
                    self.busy >= self._lanes
                    and len(mates) < self._size
                    and patience > 0
                    and not self._closed
                ):
                    self._changed.wait(patience)
                    continue
                chosen = set(map(id, mates))
                self._waiting = deque(job for job in self._waiting if id(job) not in chosen)
                begun = [job for job in mates if job.future.set_running_or_notify_cancel()]
                if begun:
                    self._running[threading.get_ident()] = begun
                    return begun

    def _drop(self) -> None:
        """Leave out what was cancelled or is late; the lock is held."""
        over = {job for job in self._waiting if job.is_over()}
        for job in over:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(Expired())
        if over:
            self._waiting = deque(job for job in self._waiting if job not in over)

    def _answer(self, batch: list[_Job]) -> None:
        start = time.monotonic()
        results = self._results(batch)
        seconds = time.monotonic() - start
        if self._observe:
            failures = sum(isinstance(result, BaseException) for result in results)
            self._observe(len(batch), seconds, [start - job.since for job in batch], failures)
        for job, result in zip(batch, results, strict=True):
            self._count(result)
            if isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(Outcome(result, start - job.since, seconds, len(batch)))

    def _results(self, batch: list[_Job]) -> list[Any]:
        """A result or an exception for each input; one that fails with the others is tried alone.

        The work stops between two steps once nobody waits for any of the inputs.
        """

        def is_over() -> bool:
            return all(job.is_over() for job in batch)

        try:
            with cancellation.scope(is_over):
                cancellation.check()
                results = list(self._run(batch[0].key, [job.value for job in batch]))
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} answers to {len(batch)} inputs")
            return results
        except CancelledError:
            return [Expired() for _ in batch]
        except Exception as error:
            if len(batch) == 1:
                return [error]
        return [result for job in batch for result in self._results([job])]

    def _count(self, result: Any) -> None:
        """Count failures in a row; those of an input or a deadline say nothing about the model."""
        if not isinstance(result, BaseException):
            self._failures = 0
        elif not isinstance(result, InputError | UsageError | Expired | MemoryError):
            self._failures += 1
