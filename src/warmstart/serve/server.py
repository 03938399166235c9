"""Uvicorn with the application: signals, draining, and limits of the process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import cast

import uvicorn
from starlette.applications import Starlette

from warmstart.counts import counted
from warmstart.engines import heap
from warmstart.errors import UsageError
from warmstart.serve import garbage
from warmstart.serve.connections import Connections
from warmstart.serve.listening import refuse_new_connections
from warmstart.serve.origins import is_loopback
from warmstart.serve.protocol import Protocol
from warmstart.serve.state import State

MALLOC = {heap.ARENA_MAX: 2, heap.MMAP_THRESHOLD: 2**23, heap.TRIM_THRESHOLD: 2**24}
"""Options of glibc's malloc. By default it makes up to eight heaps per processor, which never shrink,
and raises the threshold above which blocks, such as the pixels of a large photo, are returned to the
system when they are freed."""
TRIM_TICKS = 600
"""Ticks of uvicorn, a tenth of a second each, between two returns of free memory to the system, since
fragmentation adds up over hours."""
BACKLOG = 2048
"""Maximum number of connections that are not accepted yet."""
ACCEPT_BATCH = 16
"""Maximum number of connections that the event loop accepts before it reads requests again."""
HANDSHAKE_SECONDS = 0.2
"""Maximum seconds of the handshake of a new connection, over a slow network, too."""
LAST_REQUEST_SECONDS = 1.0
"""Seconds in which a connected client may still send a request when the server stops."""
STOP_SECONDS = 5.0
"""Maximum seconds until abandoned work stops."""
OTHER_FILES = 512
"""Maximum number of open files besides connections."""
log = logging.getLogger("warmstart.serve")


class Server(uvicorn.Server):
    """Stops in two steps. For `drain` seconds (0 after Ctrl+C) it reports that it is not ready, still
    serves requests, and closes each connection after its response. Then it accepts no more
    connections, finishes running requests within `grace` seconds, and ends. A second Ctrl+C ends it
    at once.

    Attributes:
        force_exit: whether Ctrl+C was pressed twice.
    """

    def __init__(self, config: uvicorn.Config, state: State):
        super().__init__(config)
        self._state = state
        self.on_start: Callable[[str], None] = lambda address: None
        self._is_interrupted = False
        self._stop_at = math.inf
        self._idle_until = 0.0  # until when idle connections may send one more request

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if sig == signal.SIGINT and self._is_interrupted:
            self.should_exit = self.force_exit = True
            return
        if sig == signal.SIGINT:
            self._is_interrupted, seconds = True, 0.0
            log.info("stopping: running requests are finished; Ctrl+C again ends them")
        elif not self._state.draining:
            seconds = self._state.settings.drain
            log.info("draining for %g s", seconds)
        else:
            return
        if not self._state.draining:
            self._idle_until = now + LAST_REQUEST_SECONDS
        self._state.draining = True
        self._stop_at = now + seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                with listening.dup() as duplicate:
                    duplicate.listen(BACKLOG)
        self.on_start(self.url)

    @property
    def url(self) -> str:
        """The URL of the first socket, once the server has started."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening. New connections are served if they send a request within a second; idle
        ones if they do so within a second of the signal.
        """
        listening = [opened for server in self.servers for opened in server.sockets]
        for opened in listening:
            refuse_new_connections(opened)
        await asyncio.sleep(HANDSHAKE_SECONDS)
        end = time.monotonic() + LAST_REQUEST_SECONDS
        while time.monotonic() < end and select.select(listening, [], [], 0)[0]:
            await asyncio.sleep(0)  # the loop accepts them
        for server in self.servers:
            server.close()
        while not self.force_exit and self._expects_requests(end):
            await asyncio.sleep(0.02)
        cancelling = asyncio.create_task(self._cancel_late_requests())
        await super().shutdown(sockets)
        if self.force_exit:
            await cancelling
        cancelling.cancel()
        self._state.parser.close()

    def _expects_requests(self, end: float) -> bool:
        """Whether a connection may still send a request: a new one until `end`, an idle one until
        `_idle_until`.
        """
        now = time.monotonic()
        cycles = [
            getattr(connection, "cycle", None) for connection in self.server_state.connections
        ]
        return (now < end and None in cycles) or (
            now < self._idle_until and any(cycle and cycle.response_complete for cycle in cycles)
        )

    async def _cancel_late_requests(self) -> None:
        """Cancel the requests that run at the end of the grace period, or at the second Ctrl+C. Those
        without a response get 503; see `middleware`.
        """
        grace = self._state.settings.grace
        end = time.monotonic() + grace
        while not self.force_exit and time.monotonic() < end:
            await asyncio.sleep(0.05)
        if running := [task for task in self.server_state.tasks if not task.done()]:
            reason = "interrupted" if self.force_exit else f"they ran longer than {grace:g} s"
            log.error("%s cancelled: %s", counted(len(running), "running request"), reason)
            for protocol in cast("set[Protocol]", self.server_state.connections):
                protocol.cut_response()
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=LAST_REQUEST_SECONDS)
        for connection in list(self.server_state.connections):
            connection.transport.close()

    async def on_tick(self, counter: int) -> bool:
        if counter % TRIM_TICKS == TRIM_TICKS - 1:
            asyncio.get_running_loop().run_in_executor(None, heap.trim)
        return await super().on_tick(counter) or time.monotonic() >= self._stop_at


def make_server(app: Starlette, host: str, port: int) -> Server:
    """A server for an application of `create_app`; `.run()` runs it, `.handle_exit(SIGTERM, None)`
    stops it.
    """
    state: State = app.state.warmstart
    settings = state.settings
    state.is_local = is_loopback(host)
    attributes = {
        "client_timeout": settings.body_timeout,
        "pool": Connections(settings.max_connections),
        "metrics": state.metrics,
    }
    protocol = type("Protocol", (Protocol,), attributes)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_keep_alive=settings.keep_alive,
        backlog=ACCEPT_BATCH,
    )
    return Server(config, state)


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to all addresses of a host, which do not listen yet; closed after the block.

    Raises:
        UsageError: the port is in use, or the address is not one of this machine.
    """
    with contextlib.ExitStack() as stack:
        sockets: list[socket.socket] = []
        try:
            addresses = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in dict.fromkeys(addresses):
                listener = stack.enter_context(socket.socket(family))
                if sys.platform != "win32":
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                chosen_port = sockets[0].getsockname()[1] if sockets else port
                listener.bind((address[0], chosen_port, *address[2:]))
                sockets.append(listener)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = (
                    f"Port {port} of {host} is in use; choose another with --port, or 0 for a "
                    "free one."
                )
            else:
                message = f"Cannot listen on port {port} of {host}: {error.strerror or error}."
            raise UsageError(message) from None
        yield sockets


def run(
    app: Starlette,
    host: str,
    sockets: list[socket.socket],
    on_start: Callable[[str], None] = lambda address: None,
) -> None:
    """Serve until SIGTERM, SIGHUP or Ctrl+C; running requests are then finished.

    Args:
        app: of `create_app`.
        host: the requested host; on a loopback address other origins are refused.
        sockets: of `bound`.
        on_start: called with the URL once requests are accepted.

    Raises:
        KeyboardInterrupt: Ctrl+C was pressed twice; running requests were refused.
    """
    server = make_server(app, host, 0)
    server.on_start = on_start
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, server.handle_exit)
    heap.set_options(MALLOC)
    state: State = app.state.warmstart
    _allow_files(state.settings.max_connections + OTHER_FILES)
    garbage.freeze()
    server.run(sockets)
    state.registry.close(STOP_SECONDS)
    if server.force_exit:
        raise KeyboardInterrupt


def _allow_files(count: int) -> None:
    """Raise the limit of open files and connections of this process, as far as permitted."""
    try:
        import resource
    except ImportError:  # on Windows, where there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class BackgroundServer:
    """A server in a thread, for tests and notebooks: `with BackgroundServer(app) as address: …`.

    Args:
        app: of `create_app`.
        host, port: to listen on; port 0 is any free one.
    """

    def __init__(self, app: Starlette, host: str = "127.0.0.1", port: int = 0):
        self._app, self._server = app, make_server(app, host, port)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server._serve()), daemon=True
        )

    def __enter__(self) -> str:
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("The server did not start; see its log.")
            time.sleep(0.01)
        return self._server.url

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._app.state.warmstart.registry.close(5)
