"""The middleware of every request: access, error responses, metrics and the access log."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from warmstart.errors import without_frames
from warmstart.serve import access_log, origins
from warmstart.serve.errors import RETRY, Refused, error_body, refusal
from warmstart.serve.queue import Closed
from warmstart.serve.state import CROWDED, TOO_MANY, State, json_response

Endpoint = Callable[[Request], Awaitable[Response]]
log = logging.getLogger("warmstart.serve")
PATHS_WITHOUT_TOKEN = ("/v2/health/live", "/v2/health/ready", "/", "/page/")
"""Paths that need no token: the probes, and the page, which asks for the token."""
PROBES = ("/v2/health/live", "/v2/health/ready")
DISCARD_BYTES, DISCARD_SECONDS = 2**28, 5.0
"""How much of a refused body is read and discarded, so that the client can read the response."""


class RequestMiddleware:
    """Checks access, turns exceptions into error responses, and records every request.

    Args:
        app: the application.
        state: of the server.
        direct: (prefix, suffix) of a path with the name of a model in between -> endpoint. POST
            requests to these paths, which are nearly all requests, bypass the application's routing.
    """

    def __init__(self, app: ASGIApp, state: State, direct: Mapping[tuple[str, str], Endpoint]):
        self._app, self._state, self._direct = app, state, direct

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        handler = _RequestHandler(self._state, scope, receive, send)
        self._state.metrics.open_requests.inc()
        try:
            await handler.handle(self._endpoint(scope) or self._app)
        finally:
            self._state.metrics.open_requests.dec()
            handler.close()

    def _endpoint(self, scope: Scope) -> ASGIApp | None:
        path = scope["path"]
        for (prefix, suffix), endpoint in self._direct.items():
            if path.startswith(prefix) and path.endswith(suffix) and scope["method"] == "POST":
                name = path[len(prefix) : len(path) - len(suffix)]
                if name and "/" not in name:
                    scope["path_params"] = {"model": name}
                    return partial(_run_endpoint, endpoint)
        return None


async def _run_endpoint(endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
    response = await endpoint(Request(scope, receive, send))
    await response(scope, receive, send)


class _RequestHandler:
    """Handles one request."""

    def __init__(self, state: State, scope: Scope, receive: Receive, send: Send):
        self._state, self._scope, self._receive, self._send = state, scope, receive, send
        self._start = time.monotonic()
        self._status, self._reason, self._sent, self._received = 0, "ok", 0, 0
        self._body_complete = False
        self._headers = Headers(scope=scope)
        self._extra_headers: list[tuple[bytes, bytes]] = []  # of the response

    async def handle(self, app: ASGIApp) -> None:
        settings = self._state.settings
        try:
            if self._scope.get(CROWDED) and self._scope["path"] not in PROBES:
                raise Refused(503, "crowded", TOO_MANY, RETRY)
            if self._state.is_local:
                origins.check(self._headers, settings)
            if settings.cors and (origin := self._headers.get("origin")):
                self._extra_headers += origins.response_headers(origin, settings)
            if self._scope["method"] == "OPTIONS":
                for message in origins.preflight(self._headers, settings) or ():
                    await self.send(message)
            if not self._status:
                self._check_token()
                await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:  # the server stops
            if not self._state.draining:
                raise
            await self._refuse(Closed(), discards_body=False)
        except Exception as error:
            while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
                error = error.exceptions[0]
            await self._refuse(error)

    def _check_token(self) -> None:
        path = self._scope["path"]
        if (
            self._state.settings.token is None
            or path in PATHS_WITHOUT_TOKEN
            or path.startswith("/page/")
        ):
            return
        scheme, _, token = self._headers.get("authorization", "").partition(" ")
        expected = self._state.settings.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), expected):
            raise Refused(
                401,
                "unauthorised",
                "This server requires a token: Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._body_complete = self._body_complete or not message.get("more_body")
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            if self._status >= 400 and self._reason == "ok":
                self._reason = {404: "unknown_address", 405: "wrong_method"}.get(
                    self._status, "refused"
                )
            if self._state.draining or self._scope.get(CROWDED):
                self._extra_headers.append((b"connection", b"close"))
            if self._extra_headers:
                message = {**message, "headers": [*message["headers"], *self._extra_headers]}
        self._sent += len(message.get("body", b""))
        await self._send(message)

    async def _refuse(self, error: Exception, *, discards_body: bool = True) -> None:
        """Respond with an error.

        Args:
            error: the reason.
            discards_body: whether the rest of the body is read first, so that the client can read
                the response.
        """
        refused = refusal(error)
        self._reason = refused.reason
        if refused.status >= 500 and refused.reason in ("internal", "model"):
            log.error("%s %s failed", self._scope["method"], self._scope["path"], exc_info=error)
        # A frame of the parser refers to the error: a cycle that would keep the body in memory.
        without_frames(error)
        if self._status:  # the response has started, so it can only be truncated
            self._status = 499 if refused.reason == "disconnected" else refused.status
            return
        if refused.reason == "disconnected":
            self._status = refused.status
            return
        content = error_body(refused, self._scope["path"])
        response = json_response(content, refused.status, refused.headers)
        if discards_body and not self._body_complete and refused.status not in (408, 413):
            await self._discard_body()  # so that the connection can be reused
        headers = (
            response.raw_headers
            if self._body_complete
            else [*response.raw_headers, (b"connection", b"close")]
        )
        await self.send(
            {"type": "http.response.start", "status": refused.status, "headers": headers}
        )
        is_early = refused.status == 413 and not self._body_complete
        await self.send(
            {"type": "http.response.body", "body": response.body, "more_body": is_early}
        )
        if is_early:
            await self._discard_body()
            await self.send({"type": "http.response.body", "body": b""})

    async def _discard_body(self) -> None:
        if "expect" in self._headers:
            return  # the client waits for "100 Continue"
        try:
            async with asyncio.timeout(DISCARD_SECONDS):
                while not self._body_complete and self._received < DISCARD_BYTES:
                    await self.receive()
        except TimeoutError:
            pass

    def close(self) -> None:
        """Write the metrics and the access log."""
        queue_seconds, inference_seconds, batch_size = self._scope.get(
            "warmstart.times", (None, None, None)
        )
        access_log.Request(
            client=(self._scope.get("client") or ("",))[0],
            method=self._scope["method"],
            path=self._scope["path"],
            model=self._scope.get("warmstart.model", ""),
            status=self._status,
            reason=self._scope.get("warmstart.reason", self._reason),
            bytes_in=self._received,
            bytes_out=self._sent,
            seconds=time.monotonic() - self._start,
            queue_seconds=queue_seconds,
            inference_seconds=inference_seconds,
            batch_size=batch_size,
        ).write(self._state.metrics)
