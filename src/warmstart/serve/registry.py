"""The models that are served: names, queues, and loading anew when a bundle has changed."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from warmstart.errors import UsageError
from warmstart.serve.answering import ALONE, answer
from warmstart.serve.batching import Batcher
from warmstart.serve.kinds import Kind, kind_of
from warmstart.serve.settings import Settings

if TYPE_CHECKING:
    from warmstart.serve.metrics import Metrics
    from warmstart.tasks.base import Model

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


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
        model.engine  # noqa: B018 (opened now, not at the first request)
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
            if not _NAME.fullmatch(name):
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


def open_models(sources: Sequence[str], load: Callable[[str], Model]) -> tuple[dict[str, Model], dict[str, Path]]:
    """Models by the names they are served under, and the folders of those that are bundles or repositories.

    Args:
        sources: what `ws.load` takes, each maybe with a name of its own before it: `flowers=path/of/bundle`.
        load: opens one.

    Raises:
        UsageError: two have the same name.
    """
    models: dict[str, Model] = {}
    folders: dict[str, Path] = {}
    for source in sources:
        name, given, where = source.partition("=")
        if not given or not _NAME.fullmatch(name):
            name, where = "", source
        model = load(where)
        path = Path(where).expanduser()
        name = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", path.resolve().name if path.is_dir() else model.name)
        if name in models:
            raise UsageError(f"Two models have the name {name!r}; give one another: NAME={where}")
        models[name] = model
        if path.is_dir():
            folders[name] = path
    return models, folders
