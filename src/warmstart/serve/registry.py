"""The models that are served: names, queues, and loading anew when a bundle has changed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError
from warmstart.serve.answering import ALONE, answer
from warmstart.serve.batching import Batcher
from warmstart.serve.kinds import Kind, kind_of
from warmstart.serve.settings import Settings

if TYPE_CHECKING:
    from warmstart.serve.metrics import Metrics
    from warmstart.tasks.base import Model

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Served:
    """One model with its queue.

    Attributes:
        name: in addresses.
        model: loaded, with its engine open.
        kind: what it takes.
        version: counts from 1; a changed bundle is the next.
        loaded: seconds since 1970.
        batcher: its queue.
    """

    def __init__(self, name: str, model: Model, settings: Settings, metrics: Metrics | None = None, version: int = 1):
        self.name, self.model, self.version, self.loaded = name, model, version, time.time()
        self.task = model.task
        self.kind: Kind = kind_of(model.task, model.entry.processing)
        self._settings = settings
        _warm(model)
        observe = partial(metrics.batch, name) if metrics else None
        self.batcher = Batcher(self._run, size=settings.max_batch, delay=settings.max_delay, capacity=settings.queue,
                               observe=observe, name=name)

    def _run(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        work = key[0]
        return work(self, key, values)

    def answer(self, key: Any, values: Sequence[Any]) -> Sequence[Any]:
        """The work of keys (work, options as sorted items): see `answering.answer`."""
        return answer(self.model, self.kind, self._settings, values, dict(key[1]))

    @property
    def alone(self) -> bool:
        """Whether its inputs go through the engine one at a time."""
        return self.task in ALONE


def _warm(model: Model) -> None:
    """Open all that a model opens when it is first used, and run it once: what is wrong shows now, not to a client.

    Raises:
        WarmstartError: something is wrong.
    """
    for name in ("tokenizer", "recognition", "method"):
        getattr(model, name, None)
    if (forward := model.engine.signatures.get("forward")) is not None:
        model.engine.run("forward", **forward.probe(size=1))


class Registry(Mapping[str, Served]):
    """The served models by name.

    Args:
        models: by name; a name is letters, digits, `_`, `.` and `-`.
        settings: of the server.
        metrics: told of every batch.

    Raises:
        UsageError: there are none, or a name is no name.
    """

    def __init__(self, models: Mapping[str, Model], settings: Settings, metrics: Metrics | None = None):
        if not models:
            raise UsageError("There is no model to serve; name one or more.")
        for name in models:
            if not NAME.fullmatch(name):
                raise UsageError(f"{name!r} is no name of a model: letters, digits, '_', '.' and '-' are.")
        self._settings, self._metrics = settings, metrics
        self._lock = threading.Lock()
        self._served = {name: Served(name, model, settings, metrics) for name, model in models.items()}

    def __getitem__(self, name: str) -> Served:
        return self._served[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)

    def replace(self, name: str, model: Model) -> Served:
        """Serve another model by this name; what is queued for the one before is still answered by it."""
        with self._lock:
            before = self._served[name]
            after = Served(name, model, self._settings, self._metrics, before.version + 1)
            self._served[name] = after
        before.batcher.close()
        return after

    def close(self, timeout: float) -> bool:
        """Take nothing more and finish what is queued; whether everything was finished in time."""
        for served in self._served.values():
            served.batcher.close()
        end = time.monotonic() + timeout
        done = [served.batcher.join(max(end - time.monotonic(), 0)) for served in self._served.values()]
        return all(done)
