"""What all endpoints of one server share, and how they put questions to a model."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from warmstart.errors import InputError
from warmstart.serve.batching import Closed, Outcome
from warmstart.serve.errors import Refused, invalid
from warmstart.serve.metrics import Metrics
from warmstart.serve.registry import Registry, Served
from warmstart.serve.settings import Settings

_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class State:
    """One server: its models, settings and counters, and whether it is about to stop."""

    settings: Settings
    registry: Registry
    metrics: Metrics
    draining: bool = False
    started: float = field(default_factory=time.time)

    def model(self, request: Request, name: str, tasks: Sequence[str] = ()) -> Served:
        """The model that a request names; noted for metrics and the log.

        Raises:
            Refused: there is no such model, or it does another task.
        """
        served = self.registry.get(name)
        if served is None:
            raise Refused(404, "unknown_model", f"There is no model {name[:100]!r} here; GET /v1/models lists them.")
        request.scope["warmstart.model"] = served.name
        if tasks and served.task not in tasks:
            raise invalid(f"{served.name} does {served.task}; this needs a model that does {' or '.join(tasks)}.")
        if served.batcher.full:
            from warmstart.serve.batching import Full

            raise Full
        return served

    def deadline(self, request: Request) -> float:
        """When the answer must be there, of `time.monotonic`; `X-Request-Timeout` (seconds) may shorten it.

        Raises:
            Refused: the header is no positive number.
        """
        seconds = self.settings.deadline
        if (asked := request.headers.get("x-request-timeout")) is not None:
            try:
                wanted = float(asked)
            except ValueError:
                wanted = math.nan
            if not 0 < wanted < math.inf:
                raise invalid("X-Request-Timeout is a number of seconds above 0.")
            seconds = min(seconds, wanted)
        return time.monotonic() + seconds

    async def ask(self, request: Request, served: Served, key: tuple[Any, ...], values: Sequence[Any],
                  deadline: float) -> list[Any]:
        """The model's answer, or `InputError`, to each value.

        Args:
            served: as `model` gave it; where it was loaded anew in the meantime, its successor is asked.
            key: (work, …): `work(served, key, values)` is done in a worker thread for values of equal keys together.
            values: inputs.
            deadline: of `time.monotonic`.

        Raises:
            Full, Closed, TimeoutError: the queue takes no more, or the deadline passed.
            Exception: what the work raised.
        """
        while True:
            try:
                futures = served.batcher.submit(key, values, deadline)
                break
            except Closed:
                newer = self.registry[served.name]
                if newer is served:
                    raise
                served = newer
        together = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
            outcomes = await together
        note(request, [outcome for outcome in outcomes if isinstance(outcome, Outcome)])
        answers = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, InputError):
                raise outcome
            answers.append(outcome.value if isinstance(outcome, Outcome) else outcome)
        return answers


def note(request: Request, outcomes: Sequence[Outcome]) -> None:
    """Keep for the log how the answers came about."""
    if outcomes:
        request.scope["warmstart.times"] = (max(o.queued for o in outcomes), max(o.running for o in outcomes),
                                            max(o.batch for o in outcomes))


def state_of(request: Request) -> State:
    return request.app.state.warmstart


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer. Numbers that are not finite become null, as JSON has none."""
    return Response(_encoder.encode(value), status, headers, "application/json")
