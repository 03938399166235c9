"""The threads that answer the queue of a model in batches.

Inputs of the same key go through the engine together. While the engine is idle nothing waits; while
it is busy, inputs gather until the batch is full or the oldest has waited long enough.
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
"""Called after each batch with (size, seconds, seconds that each input waited, number of failures).
"""


Run = Callable[[Any, Sequence[Any]], Sequence[Any]]
"""(key, values) -> a result or an exception for each value, in order. What it raises is put to each
value alone.
"""


class Batcher(Queue):
    """Answers inputs in batches, in threads of its own.

    Args:
        run: the work; called from several threads at once.
        size: most inputs of a batch.
        delay: seconds that the oldest input waits for others while all lanes are taken.
        capacity: inputs that may wait.
        lanes: batches that are computed side by side.
        workers: threads, one a lane or more; one more prepares its inputs while the others have the
            engines.
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
    def busy(self) -> int:
        return len(self._running)

    @property
    def stuck(self) -> bool:
        """Whether all threads are busy with work that nobody has waited for since `OVERDUE`."""
        with self._changed:
            jobs = [job for batch in self._running.values() for job in batch]
            return self.busy == len(self._threads) and all(job.is_over(OVERDUE) for job in jobs)

    def _wake(self, count: int) -> None:
        self._changed.notify(count if self.busy < self._lanes else 1)

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            try:
                self._answer(batch)
            finally:
                with self._changed:
                    del self._running[threading.get_ident()]
                    if self._waiting:  # else no thread has to be woken
                        self._changed.notify_all()
            del batch  # while it waits for the next one, this thread keeps no photos in memory

    def _take(self) -> list[Job] | None:
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

    def _answer(self, batch: list[Job]) -> None:
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

    def _results(self, batch: list[Job]) -> list[Any]:
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
