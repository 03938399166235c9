"""The models that are served: names, queues, and reloading when a bundle has changed."""

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
from warmstart.serve.queue import Answer, Closed, Full, Queue
from warmstart.serve.settings import TRIAL, Settings
from warmstart.serve.statistics import Statistics
from warmstart.serve.steps import StepBatcher
from warmstart.serve.texts import TextRequest, TextWork

if TYPE_CHECKING:
    from warmstart.core.model import Model
    from warmstart.serve.metrics import Metrics

LARGE = 2**26  # bytes of a program: one of that size is loaded once
TRIAL_SECONDS = 5.0
"""Between two trials of a model whose answers fail."""
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Served:
    """One model with its queues.

    Attributes:
        name: in addresses.
        model: loaded, with its engine open.
        kind: what it takes.
        version: counts from 1; a changed bundle is the next.
        loaded: seconds since 1970.
        batcher: the queue for work in whole batches.
        texts: the queue for texts that are generated step by step; None for other tasks.
        statistics: what it has answered.
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
        self.kind = model.input_kind
        self.stored_precision = model.stored_precision
        self._settings = settings
        self._halves = halves(model)
        self._next_half, self._own = cycle(self._halves), threading.local()
        for each in {model, *self._halves}:
            try_out(each, settings)
        self._next_trial = 0.0
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
    def busy(self) -> int:
        """The number of batches that are being computed."""
        return sum(queue.busy for queue in self._queues)

    @property
    def full(self) -> bool:
        """Whether the next input would be refused."""
        return any(queue.full for queue in self._queues)

    @property
    def cached_tokens(self) -> int:
        """The maximum number of cached tokens of the texts that are being generated."""
        return self.texts.reserved if self.texts else 0

    def submit(self, key: Any, values: Sequence[Any], deadline: float) -> list[Answer]:
        """Add inputs to the right queue, all or none; see `Queue.submit`.

        Args:
            key: (work, …): `work(served, key, values)`; texts are generated step by step if their
                options allow it.
            values: inputs.
            deadline: of `time.monotonic`.

        Raises:
            UsageError: an option is wrong.
            Full, Closed: the queue takes no more.
        """
        model = self.model
        if self.texts and isinstance(model, JoinableModel) and key[0] is Served.answer:
            request = TextRequest.of(model, dict(key[1]))
            if model.joins(request.options):
                return self.texts.submit(request, values, deadline)
        return self.batcher.submit(key, values, deadline)

    def stream(
        self, prompt: str, options: Mapping[str, Any], write: Callable[[str], None], deadline: float
    ) -> Answer:
        """Queue one prompt; `write` is called with each piece of its text, in a thread of the queue.

        Raises:
            UsageError: an option is wrong, or the text cannot be streamed.
            Full, Closed: the queue takes no more.
        """
        model = self.model
        if self.texts is None or not isinstance(model, JoinableModel):
            raise UsageError(f"{self.name} does not generate text.")
        request = TextRequest.of(model, options, write)
        model.check_streamed(request.options)
        [answer] = self.texts.submit(request, [prompt], deadline)
        return answer

    def close(self) -> None:
        """Accept no more inputs; queued ones are still answered."""
        for queue in self._queues:
            queue.close()

    def join(self, timeout: float) -> bool:
        """Wait until everything is answered, after `close`; whether it is."""
        end = time.monotonic() + timeout
        done = [queue.join(max(end - time.monotonic(), 0)) for queue in self._queues]
        return all(done)

    def _run(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        function: Callable[[Served, Any, Sequence[Any]], Sequence[Any]] = key[0]
        return function(self, key, values)

    def _observe(self, size: int, seconds: float, waits: list[float], failures: int) -> None:
        self.statistics.add(size, seconds, waits, failures)
        if self._metrics is not None:
            self._metrics.batch(self.name, size, seconds, waits)

    def stepped(self, rows: int, seconds: float, waited: Sequence[float]) -> None:
        """One step of the texts; see `StepObserver`."""
        if self._metrics is not None:
            self._metrics.batch(self.name, rows, seconds, waited)

    def began(self, seconds: float) -> None:
        """The first text of a prompt is there."""
        if self._metrics is not None:
            self._metrics.first_text(self.name, seconds)

    def ended(self, seconds: float, waited: float, is_failure: bool) -> None:
        """A text has ended."""
        self.statistics.add(1, seconds, [waited], int(is_failure))

    def is_ready(self) -> bool:
        """Whether it can answer. Where its last answers failed, it is tried again, now and then, so
        that this becomes true once the reason is gone.
        """
        is_broken = any(queue.broken for queue in self._queues)
        if is_broken and time.monotonic() >= self._next_trial:
            self._next_trial = time.monotonic() + TRIAL_SECONDS
            with contextlib.suppress(Closed, Full):
                self.batcher.submit((Served.trial,), [None], self._next_trial)
        return not is_broken and not any(queue.stuck for queue in self._queues)

    def trial(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        """Work that shows whether the model answers."""
        try_out(self.model, self._settings)
        for queue in self._queues:
            queue.recovered()
        return values

    @property
    def at_hand(self) -> Model[Any, Any, Any]:
        """The model as the calling thread of the queue should use it: with all CPUs where nothing
        else waits, with half of them where both threads have work."""
        if len(self._halves) < 2 or not (self.batcher.busy > 1 or self.batcher.waiting):
            return self.model
        if not hasattr(self._own, "half"):
            self._own.half = next(self._next_half)
        half: Model[Any, Any, Any] = self._own.half
        return half

    def answer(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        """The work of keys (function, options as sorted items): see `work.predict`."""
        return inference.predict(self.at_hand, self.kind, self._settings, values, dict(key[1]))


def halves(model: Model[Any, Any, Any]) -> tuple[Model[Any, Any, Any], ...]:
    """The model twice, with half of the CPUs each; or once, where that is not worth its memory, or
    there is no way.
    """
    if not model.batched or "forward" not in model.engine.signatures or model.engine.size >= LARGE:
        return (model,)
    engines = model.engine.workers(2)
    return tuple(model.with_engine(engine) for engine in engines) if len(engines) > 1 else (model,)


def try_out(model: Model[Any, Any, Any], settings: Settings) -> None:
    """Open all that a model opens when it is first used, and take one input through to the JSON of
    its result: what is wrong shows now, not to a client.

    Raises:
        Exception: something is wrong.
    """
    model.ready()
    if (forward := model.engine.signatures.get("forward")) is not None:
        model.engine.run("forward", **forward.probe(size=1))
    kind = model.input_kind
    value = kind.trial()
    if value is None and model.samples:
        sample = model.samples[0]
        value = kind.from_json(sample[0] if kind.is_several_json(sample) else sample, settings)
    if value is None:
        return
    known = options.fields(model)
    chosen = {name: one for name, one in TRIAL.items() if name in known}
    try:
        result = model(value, **chosen)
    except (InputError, UsageError):  # this model takes inputs of another form
        return
    msgspec.json.encode(inference.to_json(result))


class Registry(Mapping[str, Served]):
    """The served models by name.

    Args:
        models: by name; a name is letters, digits, `_`, `.` and `-`.
        settings: of the server.
        metrics: told of every batch.

    Raises:
        UsageError: there are none, or a name is no name.
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
            name: Served(name, model, settings, metrics) for name, model in models.items()
        }

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def replace(self, name: str, model: Model[Any, Any, Any]) -> Served:
        """Serve another model by this name; what is queued for the one before is still answered by
        it.
        """
        with self._lock:
            before = self._served[name]
            after = Served(name, model, self._settings, self._metrics, before.version + 1)
            self._served[name] = after
        before.close()
        return after

    def close(self, timeout: float) -> bool:
        """Take nothing more and finish what is queued; whether everything was finished in time."""
        for served in self._served.values():
            served.close()
        end = time.monotonic() + timeout
        done = [served.join(max(end - time.monotonic(), 0)) for served in self._served.values()]
        return all(done)
