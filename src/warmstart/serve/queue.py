"""A bounded queue in front of one model: what waits, what has expired, and the answers to it."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from warmstart.errors import InputError, UsageError


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
class Job:
    """One input in a queue; inputs of equal keys may be computed together."""

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


class Queue(ABC):
    """Inputs that wait for their turn; subclasses start the threads that answer them.

    Args:
        capacity: inputs that may wait.
    """

    def __init__(self, capacity: int):
        if capacity < 1:
            raise UsageError(f"A queue needs a capacity of 1 or more, not {capacity}.")
        self._capacity = capacity
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._closed = False
        self._failures = 0
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """Inputs whose turn has not come."""
        return len(self._waiting)

    @property
    @abstractmethod
    def busy(self) -> int:
        """Batches that are being computed."""

    @property
    @abstractmethod
    def stuck(self) -> bool:
        """Whether nothing gets on, with work that nobody has waited for since `OVERDUE`."""

    @property
    def full(self) -> bool:
        """Whether the next input would be refused."""
        return len(self._waiting) >= self._capacity

    @property
    def broken(self) -> bool:
        """Whether the last answers all failed, by no fault of their inputs."""
        return self._failures >= FAILURES

    def recovered(self) -> None:
        """The model answers again."""
        self._failures = 0

    def submit(
        self, key: Hashable, values: Sequence[Any], deadline: float = float("inf")
    ) -> list[Answer]:
        """Queue inputs, all or none.

        Args:
            key: inputs of one key are answered together.
            values: as the work takes them.
            deadline: of `time.monotonic`; an input that has not begun by then gets `Expired`.

        Returns:
            The answer to each.

        Raises:
            Full: there is no room. More inputs than there is ever room for are taken where nothing
                waits.
            Closed: after `close`.
        """
        jobs = [Job(key, value, deadline) for value in values]
        with self._changed:
            if self._closed:
                raise Closed
            if self._waiting and len(self._waiting) + len(jobs) > self._capacity:
                self._drop()
                if self._waiting and len(self._waiting) + len(jobs) > self._capacity:
                    raise Full
            self._waiting.extend(jobs)
            self._wake(len(jobs))
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

    def _wake(self, count: int) -> None:
        """So many inputs have come; the caller has the lock."""
        self._changed.notify_all()

    def _drop(self) -> None:
        """Leave out what was cancelled or is late; the caller has the lock."""
        over = {job for job in self._waiting if job.is_over()}
        for job in over:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(Expired())
        if over:
            self._waiting = deque(job for job in self._waiting if job not in over)

    def _count(self, result: Any) -> None:
        """Count failures in a row; those of an input or a deadline say nothing about the model."""
        if not isinstance(result, BaseException):
            self._failures = 0
        elif not isinstance(result, InputError | UsageError | Expired | MemoryError):
            self._failures += 1
