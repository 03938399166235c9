"""Parse large request bodies in a separate process.

Parsing holds Python's global interpreter lock, so one large body would delay all other requests.
The process has a low priority and a memory limit, and is killed when no client waits for its result.
"""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar, TypeVarTuple

from warmstart.errors import CancelledError
from warmstart.serve import large
from warmstart.serve.errors import Refused

T = TypeVar("T")
ArgumentsT = TypeVarTuple("ArgumentsT")

COMMAND = (sys.executable, "-m", "warmstart.serve.parsing_process")
LARGE = 2**22
"""Bytes from which on bodies are parsed one at a time: parsing takes several times their memory."""
IDLE_SECONDS = 60.0
"""Seconds without work after which the process ends and frees its memory."""
_SIZE = struct.Struct("<Q")


class Parser:
    """Runs functions in one other process, one at a time; the first call starts it."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "warmstart-parser")
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_exchanging = False

    async def run(
        self,
        deadline: float,
        disconnected: asyncio.Future[None] | None,
        function: Callable[[bytes, *ArgumentsT], T],
        data: bytes,
        *arguments: *ArgumentsT,
    ) -> T:
        """Run `function(data, *arguments)`; arguments, results and exceptions must be picklable.

        Args:
            deadline: a time of `time.monotonic`.
            disconnected: done when the client has closed its connection.
            function: a function at the top level of a module.
            data: a body, or a part of one.
            arguments: the other arguments.

        Raises:
            TimeoutError: the deadline passed.
            Refused: the client has disconnected.
            MemoryError: the process ran out of memory.
        """
        work = asyncio.ensure_future(self._run((function, arguments), data))
        del data
        ends: set[asyncio.Future[Any]] = {work} if disconnected is None else {work, disconnected}
        left = max(deadline - time.monotonic(), 0)
        await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            try:
                return work.result()
            finally:
                del work, ends  # a cycle of exception and frame would keep the body
        work.cancel()
        if disconnected is not None and disconnected.done():
            raise Refused(499, "disconnected", "The client disconnected.")
        raise TimeoutError

    def close(self) -> None:
        """End the process; another call of `run` starts a new one."""
        if self._process is not None:
            self._process.kill()
            if not self._is_exchanging:
                self._release()

    async def _run(self, call: tuple[Callable[..., T], tuple[Any, ...]], data: bytes) -> T:
        async with self._turn:
            loop = asyncio.get_running_loop()
            if self._idle is not None:
                self._idle.cancel()
            self._is_exchanging = True
            abandoned = threading.Event()
            exchange = loop.run_in_executor(self._thread, self._exchange, call, data, abandoned)
            del data
            try:
                is_error, value = await asyncio.shield(exchange)
            except asyncio.CancelledError:
                abandoned.set()
                self.close()
                await asyncio.wait([exchange])
                exchange.exception()
                raise
            finally:
                self._is_exchanging = False
                self._idle = loop.call_later(IDLE_SECONDS, self.close)
        if is_error:
            try:
                raise value
            finally:
                del value
        result: T = value
        return result

    def _exchange(self, call: object, data: bytes, abandoned: threading.Event) -> tuple[bool, Any]:
        """Send a call to the process and wait for the result: (whether it failed, the value or the
        exception).
        """

        def check() -> None:
            if abandoned.is_set():
                raise CancelledError("No client waits for it.")

        if len(data) <= LARGE:
            return self._call_process(call, data, abandoned)
        with large.turn(check):
            return self._call_process(call, data, abandoned)

    def _call_process(
        self, call: object, data: bytes, abandoned: threading.Event
    ) -> tuple[bool, Any]:
        process = self._ensure_started()
        if abandoned.is_set():  # while it was started
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin, call, data)
            answer: tuple[bool, Any] = receive(process.stdout)[0]
        except (EOFError, BrokenPipeError):  # killed, most likely by its memory limit
            self._release()
            raise MemoryError from None
        return answer

    def _ensure_started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._release()
        if self._process is None:
            self._process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self._process

    def _release(self) -> None:
        """Release the resources of a process that has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        process.wait()
        for file in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if file is not None:
                    file.close()


def send(file: IO[bytes], value: object, data: bytes = b"") -> None:
    """Write a value and data; arrays in the value are not copied."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    parts = [memoryview(data), memoryview(head), *(buffer.raw() for buffer in buffers)]
    file.write(_SIZE.pack(len(parts)) + b"".join(_SIZE.pack(part.nbytes) for part in parts))
    for part in parts:
        file.write(part)
    file.flush()


def receive(file: IO[bytes]) -> tuple[Any, bytearray]:
    """Read a value and the data that `send` has written.

    Raises:
        EOFError: the file ends.
    """
    (count,) = _SIZE.unpack(_read(file, _SIZE.size))
    sizes = [_SIZE.unpack(_read(file, _SIZE.size))[0] for _ in range(count)]
    data, head, *buffers = [_read(file, size) for size in sizes]
    return pickle.loads(head, buffers=buffers), data


def _read(file: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    if file.readinto(data) < size:  # type: ignore[attr-defined]
        raise EOFError
    return data
