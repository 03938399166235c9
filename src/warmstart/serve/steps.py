"""The threads that process the queue of a model with continuous batching: inputs join the batch when
they arrive and leave it when they end, so that none waits for another to finish.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from warmstart.core.inputs import Prepared
from warmstart.core.joinable import StepBatch
from warmstart.errors import TooLargeError
from warmstart.serve.queue import OVERDUE, Expired, Job, Outcome, Queue

PREPARED = 4
"""Maximum number of prepared inputs that wait for room in the batch."""


class StepWork(Protocol):
    """The work on inputs; each method is called by one thread at a time."""

    def batch(self) -> StepBatch:
        """A new batch."""

    def prepare(self, key: Any, value: Any) -> Prepared:
        """Prepare an input for the batch."""

    def result(self, key: Any, prepared: Prepared, outputs: Any) -> Any:
        """The result of an input that has ended."""

    def write(self, key: Any, piece: str) -> None:
        """Send a piece of the text of an input while it is computed."""


class StepObserver(Protocol):
    """Is notified of steps and results, for metrics."""

    def on_step(self, rows: int, seconds: float, waited: Sequence[float]) -> None:
        """A step ended, with `rows` rows in the batch; `waited`: seconds that each new input waited."""

    def on_first_text(self, seconds: float) -> None:
        """The first text of an input is ready, `seconds` after its arrival."""

    def on_end(self, seconds: float, waited: float, is_failure: bool) -> None:
        """An input ended, after `seconds` in the batch."""


@dataclass(eq=False)
class _Member:
    """An input in the batch."""

    job: Job
    prepared: Prepared
    size: int
    joined: float = 0.0
    largest_batch: int = 0
    has_begun: bool = False


class StepBatcher(Queue):
    """Processes inputs with continuous batching, first come, first served.

    One thread prepares inputs, another computes the steps.

    Args:
        work: the work on inputs.
        observer: is notified of steps and results.
        tokens: maximum number of cached tokens of the batch; further inputs wait. An input that
            needs more by itself gets `TooLargeError`.
        capacity: maximum number of waiting inputs.
        name: of the threads.
    """

    def __init__(
        self,
        work: StepWork,
        observer: StepObserver,
        *,
        tokens: int,
        capacity: int = 64,
        name: str = "model",
    ):
        super().__init__(capacity)
        self._work, self._observer, self._tokens = work, observer, tokens
        self._batch = work.batch()
        self._ready: deque[_Member] = deque()
        self._all_prepared = False
        self._members: dict[Prepared, _Member] = {}
        self._joined: list[float] = []  # seconds waited, of the latest inputs
        self._threads = [
            threading.Thread(target=target, name=f"warmstart-{name}-{what}", daemon=True)
            for target, what in ((self._prepare, "prepare"), (self._compute, "steps"))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        return len(self._waiting) + len(self._ready)

    @property
    def running(self) -> int:
        return int(bool(self._members))

    @property
    def reserved(self) -> int:
        """The maximum number of cached tokens of the inputs in the batch."""
        return sum(member.size for member in list(self._members.values()))

    @property
    def stuck(self) -> bool:
        with self._changed:
            jobs = [member.job for member in self._members.values()]
            return bool(jobs) and all(job.is_over(OVERDUE) for job in jobs)

    def _prepare(self) -> None:
        """Prepare waiting inputs, a few ahead of the batch."""
        while (job := self._next()) is not None:
            try:
                prepared = self._work.prepare(job.key, job.value)
                member = _Member(job, prepared, self._batch.size(prepared))
                if member.size > self._tokens:
                    raise TooLargeError(
                        f"{prepared.name}: prompt and answer may take {member.size:,} tokens of "
                        f"the cache, and this server has {self._tokens:,}; request fewer tokens",
                        prepared.name,
                    )
            except Exception as error:
                self._end(job, error)
                continue
            with self._changed:
                self._ready.append(member)
                self._changed.notify_all()
        with self._changed:
            self._all_prepared = True
            self._changed.notify_all()

    def _next(self) -> Job | None:
        """The next input to prepare; None after `close`, when there is none."""
        with self._changed:
            while True:
                self._drop()
                if self._waiting and len(self._ready) < PREPARED:
                    job = self._waiting.popleft()
                    if job.future.set_running_or_notify_cancel():
                        return job
                elif not self._waiting and self._closed:
                    return None
                else:
                    self._changed.wait()

    def _compute(self) -> None:
        """Compute steps as long as there are inputs."""
        while self._admit():
            self._leave()
            if self._members:
                self._step()

    def _admit(self) -> bool:
        """Let inputs join while their tokens fit; wait if there are no inputs. False after `close`,
        when the queue is empty.
        """
        with self._changed:
            while not (self._members or self._ready):
                if self._all_prepared:
                    return False
                self._changed.wait()
            room = self._tokens - self.reserved
            joining: list[_Member] = []
            while self._ready and (self._ready[0].size <= room or self._ready[0].job.is_over()):
                joining.append(self._ready.popleft())
                room -= joining[-1].size
            now = time.monotonic()
            for member in joining:
                member.joined = now
                self._members[member.prepared] = member
            self._changed.notify_all()
        for member in joining:
            self._batch.join(member.prepared)
            self._joined.append(now - member.job.queued_at)
        return True

    def _leave(self) -> None:
        """Remove inputs that no client waits for any more."""
        for member in list(self._members.values()):
            if member.job.is_over():
                self._batch.leave(member.prepared)
                self._remove(member, Expired())

    def _step(self) -> None:
        rows, start = len(self._batch), time.monotonic()
        try:
            ended = self._batch.step()
        except Exception as error:  # the engine failed, so the state of the batch is lost
            self._batch = self._work.batch()
            for member in list(self._members.values()):
                self._remove(member, error)
            return
        waited, self._joined = self._joined, []
        self._observer.on_step(rows, time.monotonic() - start, waited)
        for member in self._members.values():
            member.largest_batch = max(member.largest_batch, rows)
            if piece := self._batch.piece(member.prepared):
                if not member.has_begun:
                    member.has_begun = True
                    self._observer.on_first_text(time.monotonic() - member.job.queued_at)
                self._work.write(member.job.key, piece)
        for prepared, outputs in ended:
            member = self._members[prepared]
            result = outputs
            if not isinstance(outputs, Exception):
                try:
                    result = self._work.result(member.job.key, prepared, outputs)
                except Exception as error:
                    result = error
            self._remove(member, result)

    def _remove(self, member: _Member, result: Any) -> None:
        with self._changed:
            del self._members[member.prepared]
        self._end(member.job, result, member)

    def _end(self, job: Job, result: Any, member: _Member | None = None) -> None:
        """Set the result or exception of an input."""
        now = time.monotonic()
        joined = member.joined if member else now
        is_failure = isinstance(result, Exception)
        self._count(result)
        self._observer.on_end(now - joined, joined - job.queued_at, is_failure)
        if is_failure:
            job.future.set_exception(result)
        else:
            batch_size = member.largest_batch if member else 1
            job.future.set_result(Outcome(result, joined - job.queued_at, now - joined, batch_size))
