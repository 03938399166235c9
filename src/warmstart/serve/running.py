"""The application in uvicorn: signals, draining, and answers to what is no HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from warmstart.engines import heap
from warmstart.serve.connections import Connections
from warmstart.serve.origins import is_loopback
from warmstart.serve.protocol import Protocol
from warmstart.serve.state import State

ARENAS = 2
"""Heaps of glibc's malloc. It would make up to eight for each processor, and every one keeps what
its busiest moment took."""
OTHER_FILES = 512
"""Files that the server opens besides its connections, at most."""
log = logging.getLogger("warmstart.serve")


class Server(uvicorn.Server):
    """Stops in two steps: for `drain` seconds it says that it is not ready, still answers, and lets
    no client keep its connection; then it takes no more, finishes what is running, and ends."""

    def __init__(self, config: uvicorn.Config, state: State):
        super().__init__(config)
        self._state = state
        self.on_start: Callable[[str], None] = lambda address: None
        self._stop_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._state.draining and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True  # Ctrl+C twice
            return
        log.info("draining for %g s", self._state.settings.drain)
        self._state.draining = True
        self._stop_at = time.monotonic() + (
            self._state.settings.drain if sig == signal.SIGTERM else 0
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self.on_start(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening. Connections that the system has accepted are served, if they send a
        request within a second.
        """
        for connection in self._stop_listening():
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        end = time.monotonic() + (0 if self.force_exit else 1.0)
        while time.monotonic() < end and any(
            getattr(one, "cycle", one) is None for one in list(self.server_state.connections)
        ):
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    def _stop_listening(self) -> list[socket.socket]:
        """Close the listening sockets; returns the connections that waited in their backlog.

        Closing the sockets would reset these, although their clients have been told that they are
        connected. There is no `await` between the last accept and the close, during which more
        could arrive.
        """
        waiting: list[socket.socket] = []
        for server in self.servers:
            for listening in server.sockets:
                with listening.dup() as duplicate, contextlib.suppress(BlockingIOError):
                    duplicate.setblocking(False)
                    while True:
                        waiting.append(duplicate.accept()[0])
            server.close()
        return waiting

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or time.monotonic() >= self._stop_at


def make_server(app: Starlette, host: str, port: int) -> Server:
    """A server for an application of `create_app`; `.run()` runs it, `.handle_exit(SIGTERM, None)`
    stops it.
    """
    state: State = app.state.warmstart
    settings = state.settings
    state.is_local = is_loopback(host)
    more = {
        "patience": settings.body_timeout,
        "pool": Connections(settings.max_connections),
        "metrics": state.metrics,
    }
    protocol = type("Protocol", (Protocol,), more)
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
        backlog=2048,
        timeout_graceful_shutdown=max(int(settings.grace), 1),
    )
    return Server(config, state)


def run(
    app: Starlette, host: str, port: int, on_start: Callable[[str], None] = lambda address: None
) -> None:
    """Serve until SIGTERM or Ctrl+C; what was taken by then is answered. `on_start` is told the
    address.
    """
    server = make_server(app, host, port)
    server.on_start = on_start
    heap.set_options({heap.ARENA_MAX: ARENAS})
    state: State = app.state.warmstart
    _allow_files(state.settings.max_connections + OTHER_FILES)
    server.run()
    if not state.registry.close(state.settings.grace):
        log.error("gave up on requests that ran longer than %g s", state.settings.grace)


def _allow_files(count: int) -> None:
    """Let this process open so many files and connections, as far as the system permits."""
    try:
        import resource
    except ImportError:  # on Windows, where there is no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Background:
    """A server in a thread, for tests and notebooks: `with Background(app) as address: …`.

    Args:
        app: of `create_app`.
        host, port: port 0 takes a free one.
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
                raise RuntimeError("The server did not start; its log says why.")
            time.sleep(0.01)
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._app.state.warmstart.registry.close(5)
