"""The threads that process the queue of a model in batches.

Inputs with the same key go through the engine together. While the engine is idle, nothing waits;
while it is busy, inputs accumulate until the batch is full or the oldest has waited long enough.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from warmstart.core import cancellation
from warmstart.errors import CancelledError, UsageError
from warmstart.serve.queue import OVERDUE, Expired, Job, Outcome, Queue

Observe = Callable[[int, float, list[float], int], None]
"""Called after each batch with (size, seconds, waiting times of the inputs in seconds, failures)."""


Run = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""(key, values) -> a result or an exception for each value, in order. If it raises an exception, it
is called again for each value separately.
"""


class Batcher(Queue):
    """Processes inputs in batches, in its own threads.

    Args:
        run: the work; called from several threads at once.
        size: maximum number of inputs in a batch.
        delay: seconds that the oldest input waits for others while all lanes are busy.
        capacity: maximum number of waiting inputs.
        lanes: number of batches that are computed in parallel.
        workers: number of threads, at least one for each lane; an additional one prepares its
            inputs while the others use the engines.
        observe: called after each batch.
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
        observe: Observe | None = None,
        name: str = "model",
    ):
        if size < 1 or workers < 1:
            raise UsageError(
                f"A batch needs a size and workers of 1 or more, not {size} and {workers}."
            )
        super().__init__(capacity)
        self._run, self._size, self._delay, self._observe = run, size, delay, observe
        self._lanes = lanes
        self._running: dict[int, list[Job]] = {}  # by thread
        self._threads = [
            threading.Thread(target=self._work, name=f"warmstart-{name}-{n}", daemon=True)
            for n in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> int:
        return len(self._running)

    @property
    def stuck(self) -> bool:
        """Whether all threads are busy with work that is overdue by `OVERDUE` seconds."""
        with self._changed:
            jobs = [job for batch in self._running.values() for job in batch]
            return self.running == len(self._threads) and all(job.is_over(OVERDUE) for job in jobs)

    def _wake(self, count: int) -> None:
        self._changed.notify(count if self.running < self._lanes else 1)

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._process(batch)
            finally:
                with self._changed:
                    del self._running[threading.get_ident()]
                    if self._waiting:
                        self._changed.notify_all()
            del batch  # so that its inputs are freed while this thread waits

    def _take(self) -> list[Job] | None:
        """The next batch; None after `close`, when the queue is empty."""
        with self._changed:
            while True:
                self._drop()
                if not self._waiting:
                    if self._closed:
                        return None
                    self._changed.wait()
                    continue
                first = self._waiting[0]
                same_key = [job for job in self._waiting if job.key == first.key][: self._size]
                remaining = first.queued_at + self._delay - time.monotonic()
                if (
                    self.running >= self._lanes
                    and len(same_key) < self._size
                    and remaining > 0
                    and not self._closed
                ):
                    self._changed.wait(remaining)
                    continue
                ids = set(map(id, same_key))
                self._waiting = deque(job for job in self._waiting if id(job) not in ids)
                started = [job for job in same_key if job.future.set_running_or_notify_cancel()]
                if started:
                    self._running[threading.get_ident()] = started
                    return started

    def _process(self, batch: list[Job]) -> None:
        start = time.monotonic()
        results = self._results(batch)
        seconds = time.monotonic() - start
        if self._observe:
            failures = sum(isinstance(result, BaseException) for result in results)
            self._observe(len(batch), seconds, [start - job.queued_at for job in batch], failures)
        for job, result in zip(batch, results, strict=True):
            self._count(result)
            if isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(Outcome(result, start - job.queued_at, seconds, len(batch)))

    def _results(self, batch: list[Job]) -> list[Any]:
        """A result or an exception for each input; if the batch fails, each input is processed
        separately. The work stops between two steps once no client waits for any of the inputs.
        """

        def is_over() -> bool:
            return all(job.is_over() for job in batch)

        try:
            with cancellation.scope(is_over):
                cancellation.check()
                results = list(self._run(batch[0].key, [job.value for job in batch]))
            if len(results) != len(batch):
                raise RuntimeError(f"{len(results)} results for {len(batch)} inputs")
            return results
        except CancelledError:
            return [Expired() for _ in batch]
        except Exception as error:
            if len(batch) == 1:
                return [error]
        return [result for job in batch for result in self._results([job])]
