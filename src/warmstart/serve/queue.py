"""A bounded queue of inputs in front of one model."""

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
    """The queue is closed."""


class Expired(Exception):
    """The deadline passed before the input was started."""


@dataclass(frozen=True)
class Outcome:
    """A result, and how it was computed.

    Attributes:
        value: the result of the input.
        queue_seconds, run_seconds: time in the queue, and of its batch.
        batch_size: number of inputs of that batch.
    """

    value: Any
    queue_seconds: float
    run_seconds: float
    batch_size: int


class PendingResult(Future[Outcome]):
    """The future result of one input; it may be abandoned while it is computed."""

    abandoned_at = float("inf")

    def abandon(self) -> None:
        """Stop waiting: the input is not started, or its computation stops at the next step."""
        self.abandoned_at = min(self.abandoned_at, time.monotonic())
        self.cancel()


@dataclass(eq=False)
class Job:
    """One input in a queue; inputs with equal keys may be computed together."""

    key: Hashable
    value: Any
    deadline: float
    queued_at: float = field(default_factory=time.monotonic)
    future: PendingResult = field(default_factory=PendingResult)

    def is_over(self, seconds: float = 0.0) -> bool:
        """Whether the input was abandoned, or its deadline passed, this many seconds ago."""
        end = min(self.future.abandoned_at, self.deadline)
        return end + seconds <= time.monotonic() or self.future.cancelled()


OVERDUE = 1.0
"""Seconds after which a thread counts as stuck if no client waits for its result any more."""
FAILURES = 3
"""Number of consecutive failures, other than of inputs, after which a model counts as broken."""


class Queue(ABC):
    """A bounded queue of inputs; subclasses start the threads that process them.

    Args:
        capacity: maximum number of waiting inputs.
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
        """The number of inputs whose computation has not started."""
        return len(self._waiting)

    @property
    @abstractmethod
    def running(self) -> int:
        """The number of batches that are being computed."""

    @property
    @abstractmethod
    def stuck(self) -> bool:
        """Whether all running work is overdue by `OVERDUE` seconds."""

    @property
    def full(self) -> bool:
        """Whether the next input would be refused."""
        return len(self._waiting) >= self._capacity

    @property
    def broken(self) -> bool:
        """Whether the last results all failed for reasons other than their inputs."""
        return self._failures >= FAILURES

    def recovered(self) -> None:
        """Reset the count of failures: the model works again."""
        self._failures = 0

    def submit(
        self, key: Hashable, values: Sequence[Any], deadline: float = float("inf")
    ) -> list[PendingResult]:
        """Queue inputs, all or none.

        Args:
            key: inputs with the same key may share a batch.
            values: the inputs.
            deadline: a time of `time.monotonic`; an input that is not started by then fails with
                `Expired`.

        Returns:
            The future result of each.

        Raises:
            Full: there is no room. More inputs than the capacity are accepted if the queue is
                empty.
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
        """Accept no more inputs; queued ones are still processed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, timeout: float | None = None) -> bool:
        """Wait until the queue is empty, after `close`; returns whether it is."""
        end = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if end is None else max(end - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _wake(self, count: int) -> None:
        """Wake threads for `count` new inputs; the caller holds the lock."""
        self._changed.notify_all()

    def _drop(self) -> None:
        """Drop inputs that were cancelled or have expired; the caller holds the lock."""
        over = {job for job in self._waiting if job.is_over()}
        for job in over:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(Expired())
        if over:
            self._waiting = deque(job for job in self._waiting if job not in over)

    def _count(self, result: Any) -> None:
        """Count consecutive failures; those caused by an input or a deadline are ignored."""
        if not isinstance(result, BaseException):
            self._failures = 0
        elif not isinstance(result, InputError | UsageError | Expired | MemoryError):
            self._failures += 1
