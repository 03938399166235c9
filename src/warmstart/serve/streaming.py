"""Stream a text while it is generated, piece by piece, from the thread of its batch to the event
loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from warmstart.serve.errors import Refused
from warmstart.serve.queue import Outcome
from warmstart.serve.registry import ServedModel

if TYPE_CHECKING:
    from warmstart.text.results import Generation


class Stream:
    """One text that is being streamed; created in the event loop.

    Args:
        served: a text generator.
        prompt: the text to continue.
        options: of the generator.
        deadline: of `time.monotonic`, for the complete text.
        disconnected: is done when the client has closed its connection; the work stops then.

    Attributes:
        result: the complete result, once the iteration has ended.

    Raises:
        Full, Closed: the queue accepts no more inputs.
    """

    def __init__(
        self,
        served: ServedModel,
        prompt: str,
        options: dict[str, Any],
        deadline: float,
        disconnected: asyncio.Future[None] | None = None,
    ):
        self.result: Generation | None = None
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._future = served.stream(prompt, options, self._put, deadline)
        self._future.add_done_callback(self._done)
        self._disconnected = disconnected
        if disconnected is not None:
            disconnected.add_done_callback(self.cancel)

    async def first(self) -> str:
        """The first piece, "" if there is none; raises the errors of the prompt."""
        return await self._next() or ""

    async def __aiter__(self) -> AsyncIterator[str]:
        while (piece := await self._next()) is not None:
            yield piece

    def cancel(self, _: object = None) -> None:
        """Stop generating at the next token."""
        self._future.abandon()
        if self._disconnected is not None:
            self._disconnected.remove_done_callback(self.cancel)

    async def _next(self) -> str | None:
        """The next piece; None at the end.

        Raises:
            InputError: the prompt is unusable.
            TimeoutError: the deadline passed.
            Refused: the client has disconnected.
        """
        if self.result is not None:
            return None
        left = self._loop.time() + self._deadline - time.monotonic()
        try:
            async with asyncio.timeout_at(left):
                piece = await self._pieces.get()
        except TimeoutError:
            self.cancel()
            raise
        if self._disconnected is not None and self._disconnected.done():
            raise Refused(499, "disconnected", "The client disconnected.")
        if piece is None:
            self.result = self._future.result().value
        return piece

    def _put(self, piece: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    def _done(self, future: Future[Outcome]) -> None:
        self._put(None)
