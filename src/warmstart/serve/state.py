"""The shared state of a server's endpoints, and how they run a model."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from warmstart.errors import InputError
from warmstart.serve import body
from warmstart.serve.errors import Refused, invalid
from warmstart.serve.metrics import Metrics
from warmstart.serve.parser import Parser
from warmstart.serve.queue import Closed, Full, Outcome, PendingResult
from warmstart.serve.registry import Registry, ServedModel
from warmstart.serve.settings import Settings

ResultT = TypeVar("ResultT")
ArgumentsT = TypeVarTuple("ArgumentsT")

DISCONNECTED = "warmstart.disconnected"
"""The key of an ASGI scope whose value is a future, done once the client has disconnected."""
CROWDED = "warmstart.crowded"
"""The key of a scope that says whether there are too many connections; see `connections`."""
TOO_MANY = "All connections are in use; try again later."
EXPANSION = 10
"""How many times larger a compressed body is expected to become when it is decompressed."""
_encoder = msgspec.json.Encoder(decimal_format="number")


@dataclass
class State:
    """One server: its models, settings and counters, whether it is about to stop, and whether it
    listens on a loopback address.
    """

    settings: Settings
    registry: Registry
    metrics: Metrics
    draining: bool = False
    is_local: bool = False
    started: float = field(default_factory=time.time)
    parser: Parser = field(default_factory=Parser)

    def model(self, request: Request, name: str, tasks: Sequence[str] = ()) -> ServedModel:
        """The model that a request names; metrics and the log record it.

        Raises:
            Refused: there is no such model, or its task is another.
            Full: its queue has no room.
        """
        served = self.registry.find(name)
        request.scope["warmstart.model"] = served.name
        if tasks and served.task not in tasks:
            raise invalid(
                f"{served.name} is a model for {served.task}; this path needs a model for "
                f"{' or '.join(tasks)}."
            )
        if served.full:
            raise Full
        return served

    def deadline(self, request: Request) -> float:
        """The time of `time.monotonic` by which the response is due; `X-Request-Timeout` (seconds) may
        shorten it.

        Raises:
            Refused: the header is not a positive number.
        """
        seconds = self.settings.deadline
        if (header := request.headers.get("x-request-timeout")) is not None:
            try:
                timeout = float(header)
            except ValueError:
                timeout = math.nan
            if not 0 < timeout < math.inf:
                raise invalid("X-Request-Timeout is a number of seconds above 0.")
            seconds = min(seconds, timeout)
        return time.monotonic() + seconds

    async def read(self, request: Request, deadline: float) -> bytes:
        """The body, decompressed if its Content-Encoding is gzip or deflate.

        Raises:
            Refused: it is too large, arrives too slowly, is incomplete or damaged, or has another
                encoding.
        """
        data = await body.receive(request, self.settings)
        if not (encoding := body.content_encoding(request)):
            return data
        max_body = self.settings.max_body
        if len(data) * EXPANSION <= body.INLINE:
            return body.decompressed(data, encoding, max_body)
        disconnected = request.scope.get(DISCONNECTED)
        return await self.parser.run(
            deadline, disconnected, body.decompressed, data, encoding, max_body
        )

    async def parse(
        self,
        request: Request,
        deadline: float,
        function: Callable[[bytes, *ArgumentsT], ResultT],
        data: bytes,
        *arguments: *ArgumentsT,
    ) -> ResultT:
        """Run `function(data, …)`: directly for small data, else in the parser's process, so that
        other requests are not delayed; see `Parser.run`.
        """
        if len(data) <= body.INLINE:
            return function(data, *arguments)
        return await self.parser.run(
            deadline, request.scope.get(DISCONNECTED), function, data, *arguments
        )

    async def run(
        self,
        request: Request,
        served: ServedModel,
        key: tuple[Any, ...],
        values: Sequence[Any],
        deadline: float,
    ) -> list[Any]:
        """Queue work and wait for it: the result, or `InputError`, for each value.

        Args:
            served: from `model`; if it was reloaded meanwhile, its successor is used.
            key: (work, …): `work(served, key, values)` runs in a worker thread, for all values with
                the same key together.
            values: inputs.
            deadline: of `time.monotonic`.

        Raises:
            Full, Closed: the queue accepts no more inputs.
            TimeoutError: the deadline passed.
            Exception: that the work raised.
        """
        while True:
            try:
                pending = served.submit(key, values, deadline)
                break
            except Closed:
                newer = self.registry[served.name]
                if newer is served:
                    raise
                served = newer
        await wait_for_results(pending, deadline, request.scope.get(DISCONNECTED))
        answers, outcomes = [], []
        for future in pending:
            error = future.exception()
            if error is None:
                outcomes.append(future.result())
                answers.append(outcomes[-1].value)
            elif isinstance(error, InputError):
                answers.append(error)
            else:
                try:
                    raise error
                finally:
                    del error, future, pending  # a cycle with this frame would keep the inputs
        record_times(request, outcomes)
        return answers


async def wait_for_results(
    answers: Sequence[PendingResult],
    deadline: float,
    disconnected: asyncio.Future[None] | None = None,
) -> None:
    """Wait for results of other threads, with a single wake-up of the event loop.

    Args:
        answers: of the queue.
        deadline: of `time.monotonic`.
        disconnected: is done when the client has closed its connection.

    Raises:
        TimeoutError: the deadline passed; all work is abandoned.
        Refused: the client has disconnected; all work is abandoned.
    """
    loop = asyncio.get_running_loop()
    # A function that makes the exception: an exception would form a cycle with this frame.
    done: asyncio.Future[Callable[[], Exception] | None] = loop.create_future()
    left = itertools.count(len(answers) - 1, -1)

    def finish(error: Callable[[], Exception] | None = None) -> None:
        if not done.done():
            done.set_result(error)

    def leave(disconnected: asyncio.Future[None]) -> None:
        finish(partial(Refused, 499, "disconnected", "The client disconnected."))

    def one_done(future: Any) -> None:
        if next(left) == 0 and not loop.is_closed():
            loop.call_soon_threadsafe(finish)

    for answer in answers:
        answer.add_done_callback(one_done)
    timer = loop.call_later(max(deadline - time.monotonic(), 0), finish, TimeoutError)
    if disconnected is not None:
        disconnected.add_done_callback(leave)
    try:
        error = await done
        if error is not None:
            raise error()
    except BaseException:
        for answer in answers:
            answer.abandon()
        raise
    finally:
        timer.cancel()
        if disconnected is not None:
            disconnected.remove_done_callback(leave)


def record_times(request: Request, outcomes: Sequence[Outcome]) -> None:
    """Record queue times and batch sizes for the log."""
    if outcomes:
        request.scope["warmstart.times"] = (
            max(outcome.queue_seconds for outcome in outcomes),
            max(outcome.run_seconds for outcome in outcomes),
            max(outcome.batch_size for outcome in outcomes),
        )


def state_of(request: Request) -> State:
    state: State = request.app.state.warmstart
    return state


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response. Numbers that are not finite become null, since JSON has none."""
    return Response(_encoder.encode(value), status, headers, "application/json")
