"""The served models, with their names and queues."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import msgspec

from warmstart.core.joinable import JoinableModel
from warmstart.errors import InputError, UsageError
from warmstart.serve import inference, options
from warmstart.serve.batching import Batcher
from warmstart.serve.errors import Refused
from warmstart.serve.queue import Closed, Full, PendingResult, Queue
from warmstart.serve.settings import WARMUP_OPTIONS, Settings
from warmstart.serve.statistics import Statistics
from warmstart.serve.steps import StepBatcher
from warmstart.serve.texts import TextRequest, TextWork

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.serve.metrics import Metrics

LARGE = 2**26
"""Bytes of a program from which on it is not loaded a second time."""
HEALTH_CHECK_SECONDS = 5.0
"""Seconds between two health checks of a model that fails."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class ServedModel:
    """One model with its queues.

    Attributes:
        name: in URLs.
        model: loaded, with its engine open.
        input_kind: of the model.
        version: counts from 1; a reloaded bundle has the next number.
        loaded: time of loading, in seconds since 1970.
        batcher: the queue for work in whole batches.
        texts: the queue for texts that are generated step by step; None for other tasks.
        statistics: of its batches.
        stored_precision: of the weights in its program's file, such as "int8 kernels".
    """

    def __init__(
        self,
        name: str,
        model: Model[Any, Any, Any],
        settings: Settings,
        metrics: Metrics | None = None,
        version: int = 1,
    ):
        self.name, self.model, self.version, self.loaded = name, model, version, time.time()
        self.task = model.task
        self.input_kind = model.input_kind
        self.stored_precision = model.stored_precision
        self._settings = settings
        self._halves = halves(model)
        self._next_half, self._own = cycle(self._halves), threading.local()
        for each in {model, *self._halves}:
            warm_up(each, settings)
        self._next_health_check = 0.0
        self.statistics = Statistics()
        self._metrics = metrics
        self.batcher = Batcher(
            self._run,
            size=settings.max_batch,
            delay=settings.max_delay,
            capacity=settings.queue,
            lanes=len(self._halves),
            observe=self._observe,
            name=name,
        )

        self.texts: StepBatcher | None = None
        if isinstance(model, JoinableModel):
            self.texts = StepBatcher(
                TextWork(model, settings),
                self,
                tokens=settings.max_cached_tokens,
                capacity=settings.queue,
                name=name,
            )
        self._queues: tuple[Queue, ...] = (
            (self.batcher, self.texts) if self.texts else (self.batcher,)
        )

    @property
    def waiting(self) -> int:
        """The number of inputs that are not started."""
        return sum(queue.waiting for queue in self._queues)

    @property
    def running(self) -> int:
        """The number of batches that are being computed."""
        return sum(queue.running for queue in self._queues)

    @property
    def full(self) -> bool:
        """Whether the next input would be refused."""
        return any(queue.full for queue in self._queues)

    @property
    def cached_tokens(self) -> int:
        """The maximum number of cached tokens of the texts that are being generated."""
        return self.texts.reserved if self.texts else 0

    def submit(self, key: Any, values: Sequence[Any], deadline: float) -> list[PendingResult]:
        """Add inputs to the right queue, all or none; see `Queue.submit`.

        Args:
            key: (work, …): `work(served, key, values)`; texts are generated step by step if their
                options allow it.
            values: inputs.
            deadline: of `time.monotonic`.

        Raises:
            UsageError: an option is wrong.
            Full, Closed: the queue accepts no more inputs.
        """
        model = self.model
        if self.texts and isinstance(model, JoinableModel) and key[0] is ServedModel.predict:
            request = TextRequest.of(model, dict(key[1]))
            if model.joins(request.options):
                return self.texts.submit(request, values, deadline)
        return self.batcher.submit(key, values, deadline)

    def stream(
        self, prompt: str, options: Mapping[str, Any], write: Callable[[str], None], deadline: float
    ) -> PendingResult:
        """Queue one prompt; `write` is called with each piece of its text, in a thread of the queue.

        Raises:
            UsageError: an option is wrong, or the text cannot be streamed.
            Full, Closed: the queue accepts no more inputs.
        """
        model = self.model
        if self.texts is None or not isinstance(model, JoinableModel):
            raise UsageError(f"{self.name} does not generate text.")
        request = TextRequest.of(model, options, write)
        model.check_streamed(request.options)
        [answer] = self.texts.submit(request, [prompt], deadline)
        return answer

    def close(self) -> None:
        """Accept no more inputs; queued ones are still processed."""
        for queue in self._queues:
            queue.close()

    def join(self, timeout: float) -> bool:
        """Wait until the queues are empty, after `close`; returns whether they are."""
        end = time.monotonic() + timeout
        done = [queue.join(max(end - time.monotonic(), 0)) for queue in self._queues]
        return all(done)

    def _run(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        function: Callable[[ServedModel, Any, Sequence[Any]], Sequence[Any]] = key[0]
        return function(self, key, values)

    def _observe(self, size: int, seconds: float, waits: list[float], failures: int) -> None:
        self.statistics.add(size, seconds, waits, failures)
        if self._metrics is not None:
            self._metrics.batch(self.name, size, seconds, waits)

    def on_step(self, rows: int, seconds: float, waited: Sequence[float]) -> None:
        """Record one step of the texts; see `StepObserver`."""
        if self._metrics is not None:
            self._metrics.batch(self.name, rows, seconds, waited)

    def on_first_text(self, seconds: float) -> None:
        """Record the time to the first text of a prompt."""
        if self._metrics is not None:
            self._metrics.first_text(self.name, seconds)

    def on_end(self, seconds: float, waited: float, is_failure: bool) -> None:
        """Record a completed text."""
        self.statistics.add(1, seconds, [waited], int(is_failure))

    def is_ready(self) -> bool:
        """Whether it works. If its last results failed, it is checked again from time to time, so
        that it becomes ready once the cause is gone.
        """
        is_broken = any(queue.broken for queue in self._queues)
        if is_broken and time.monotonic() >= self._next_health_check:
            self._next_health_check = time.monotonic() + HEALTH_CHECK_SECONDS
            with contextlib.suppress(Closed, Full):
                self.batcher.submit((ServedModel.check_health,), [None], self._next_health_check)
        return not is_broken and not any(queue.stuck for queue in self._queues)

    def check_health(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        """Work of the queue: run the model once, and reset the failures if it works."""
        warm_up(self.model, self._settings)
        for queue in self._queues:
            queue.recovered()
        return values

    @property
    def current_model(self) -> Model[Any, Any, Any]:
        """The model for the calling thread of the queue. It uses all CPUs, or half of them if both
        threads have work.
        """
        if len(self._halves) < 2 or not (self.batcher.running > 1 or self.batcher.waiting):
            return self.model
        if not hasattr(self._own, "half"):
            self._own.half = next(self._next_half)
        half: Model[Any, Any, Any] = self._own.half
        return half

    def predict(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        """Work of the queue: run the model; `key[1]` are options as sorted items. See
        `inference.predict`.
        """
        return inference.predict(self.current_model, self._settings, values, dict(key[1]))


def halves(model: Model[Any, Any, Any]) -> tuple[Model[Any, Any, Any], ...]:
    """Two copies of the model with half of the CPUs each; the model itself if two would take too much
    memory or the engine cannot be divided.
    """
    if not model.batched or "forward" not in model.engine.signatures or model.engine.size >= LARGE:
        return (model,)
    engines = model.engine.workers(2)
    return tuple(model.with_engine(engine) for engine in engines) if len(engines) > 1 else (model,)


def warm_up(model: Model[Any, Any, Any], settings: Settings) -> None:
    """Run a model once, from an input to the JSON of its result, so that clients do not wait for its
    first use, and errors are raised before.

    Raises:
        Exception: the model does not work.
    """
    model.ready()
    if (forward := model.engine.signatures.get("forward")) is not None:
        model.engine.run("forward", **forward.probe(size=1))
    input_kind = model.input_kind
    value = input_kind.warmup_input()
    if value is None and model.samples:
        sample = model.samples[0]
        value = input_kind.from_json(
            sample[0] if input_kind.is_several_json(sample) else sample, settings
        )
    if value is None:
        return
    known = options.fields(model)
    task_options = {name: value for name, value in WARMUP_OPTIONS.items() if name in known}
    try:
        result = model(value, **task_options)
    except (InputError, UsageError):  # this model takes other inputs
        return
    msgspec.json.encode(inference.to_json(result))


class Registry(Mapping[str, ServedModel]):
    """The served models by name.

    Args:
        models: by name; a name is letters, digits, `_`, `.` and `-`.
        settings: of the server.
        metrics: records every batch.

    Raises:
        UsageError: there are no models, or a name is invalid.
    """

    def __init__(
        self,
        models: Mapping[str, Model[Any, Any, Any]],
        settings: Settings,
        metrics: Metrics | None = None,
    ):
        if not models:
            raise UsageError("There is no model to serve; pass one or more.")
        for name in models:
            if not NAME.fullmatch(name):
                raise UsageError(
                    f"{name!r} is not a valid model name; use letters, digits, '_', '.' and '-'."
                )
        self._settings, self._metrics = settings, metrics
        self._lock = threading.Lock()
        self._served = {
            name: ServedModel(name, model, settings, metrics) for name, model in models.items()
        }

    def __getitem__(self, name: str) -> ServedModel:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def find(self, name: str) -> ServedModel:
        """The model with this name.

        Raises:
            Refused: there is none.
        """
        if name not in self._served:
            message = f"There is no model {name[:100]!r} here; GET /v1/models lists them."
            raise Refused(404, "unknown_model", message)
        return self._served[name]

    def replace(self, name: str, model: Model[Any, Any, Any]) -> ServedModel:
        """Serve another model under this name; the previous one still processes its queue."""
        with self._lock:
            before = self._served[name]
            after = ServedModel(name, model, self._settings, self._metrics, before.version + 1)
            self._served[name] = after
        before.close()
        return after

    def close(self, timeout: float) -> bool:
        """Close all queues and wait for them; returns whether they were empty in time."""
        for served in self._served.values():
            served.close()
        end = time.monotonic() + timeout
        done = [served.join(max(end - time.monotonic(), 0)) for served in self._served.values()]
        return all(done)
