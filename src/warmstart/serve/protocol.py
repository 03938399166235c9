"""Uvicorn's HTTP/1.1 protocol on llhttp's parser, with limits on incomplete requests, and JSON
responses to malformed ones."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from warmstart.serve.access_log import Request
from warmstart.serve.connections import Connections
from warmstart.serve.metrics import Metrics
from warmstart.serve.state import CROWDED, DISCONNECTED, TOO_MANY

MAX_HEAD = 65536
"""Maximum bytes of the URL and the headers of a request, and of its trailers; and of the framing of
its chunks, in addition to FRAME_RATIO times the body."""
FRAME_RATIO = 8  # "1\r\nx\r\n" is the worst legitimate chunk, six times its content
LINGER_SECONDS = 1.0  # until the connection of a refused client is closed
MAX_BUFFERED = 2**20  # bytes of a body that are buffered before the application gets them
MAX_PIPELINED = 64
"""Maximum number of pipelined requests of a connection."""
HEAD, BODY, DONE = range(3)


class JoiningTransport:
    """A transport that sends the head of a response in one packet with the start of its body."""

    def __init__(self, transport: asyncio.Transport):
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():  # the client has disconnected
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head += data
        elif self._head:
            data, self._head = self._head + data, b""
            self._transport.write(data)
        elif data:
            self._transport.write(data)

    def close(self) -> None:
        self.write(b"")
        self._transport.close()


class Protocol(HttpToolsProtocol):
    """One connection.

    A client has `client_timeout` seconds to send the headers of its first request, and of every
    request it has started, and to read more of a response.
    """

    client_timeout = 30.0
    pool: Connections
    metrics: Metrics

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._message_began = False  # whether the last data started a message
        self._stage, self._host_headers = DONE, 0
        self._head_bytes = self._frame_bytes = self._content_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._disconnected: asyncio.Future[None] = self.loop.create_future()
        super().connection_made(JoiningTransport(transport))  # type: ignore[arg-type]
        self.pool.add(self)
        self._start_header_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        self._stop_write_timer()
        self.pool.remove(self)
        if not self._disconnected.done():
            self._disconnected.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        before, self._message_began = self._content_bytes, False
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if not self._message_began:
            self._frame_bytes += len(data) - (self._content_bytes - before)
            if self._frame_bytes > MAX_HEAD + FRAME_RATIO * self._content_bytes:
                self.send_400_response("The framing of the request is larger than its content.")
                return
        if self.cycle is not None and (
            self._stage == BODY or (self._message_began and self._stage == DONE)
        ):
            self._stop_header_timer()
        elif self._header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start_header_timer()

    def _parse(self, data: bytes) -> None:
        """Feed the parser. A request to upgrade the protocol is parsed again without its header
        `Upgrade`, which HTTP/1.1 allows to be ignored (RFC 9110, section 7.8): otherwise the parser
        ignores the body.
        """
        rest = memoryview(data)
        while len(rest):
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._is_upgrade():  # CONNECT: what follows is another protocol
                    self.cycle.keep_alive = False
                    self.flow.pause_reading()
                    return
                rest = rest[upgrade.args[0] :]
                self.parser.feed_data(self._head_without_upgrade())
            else:
                return

    def _is_upgrade(self) -> bool:
        """Whether the request that is being parsed asks for a protocol upgrade."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        headers = [b": ".join(pair) for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join([b"%s %s HTTP/%s" % (method, self.url, version), *headers, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[DISCONNECTED] = self._disconnected
        self._stage, self._message_began = HEAD, True
        self._host_headers = self._head_bytes = self._frame_bytes = self._content_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value) + 4)
        if self._stage == HEAD:  # trailers are dropped
            super().on_header(name, value)
            self._host_headers += self.headers[-1][0] == b"host"

    def on_headers_complete(self) -> None:
        if self._is_upgrade():
            return
        if self._host_headers > 1 or (
            not self._host_headers and self.parser.get_http_version() == "1.1"
        ):
            raise ValueError("there must be one header Host")  # the parser raises its own error
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests were sent before the responses were read")
        self._stage = BODY
        self.pool.use(self)
        cast("dict[str, Any]", self.scope)[CROWDED] = self.pool.crowded
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Buffer the body: waking the application for every packet costs more than the packet."""
        self._content_bytes += len(body)
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > MAX_BUFFERED:
            self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._is_upgrade():
            return
        self._stage = DONE
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.transport.write(b"")  # sends the head of a response without a body
        is_last = not self.pipeline
        super().on_response_complete()
        if self.pipeline:  # uvicorn would read on, and collect requests without limit
            self.flow.pause_reading()
        if is_last and not self.transport.is_closing():
            self.pool.release(self)
        if self._stage == HEAD and self._header_timer is None:  # the next request has started
            self._start_header_timer()

    def close(self) -> None:
        """Close a connection that has no request."""
        self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def cut_response(self) -> None:
        """Truncate a response that has started; one that has not started is still written."""
        if self.cycle is not None and self.cycle.response_started:
            self.cycle.disconnected = True

    def refuse(self) -> None:
        """Refuse the connection before it sends a request. Data that arrives now is dropped: closing
        before it is read would reset the connection, and the client would not see the response.
        """
        self._respond(b"503 Service Unavailable", "crowded", TOO_MANY, b"retry-after: 1\r\n")
        self._stop_header_timer()
        self.parser = None  # type: ignore[assignment]
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """Respond to malformed HTTP with 400 and JSON, and close the connection."""
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self._respond(
                b"400 Bad Request",
                "no_http",
                f"{msg} The request is not HTTP/1.1, or its headers are too long.",
            )
        self.transport.close()

    def _respond(self, status: bytes, reason: str, message: str, headers: bytes = b"") -> None:
        """Respond without the application, to what is not a complete request."""
        body = msgspec.json.encode({"error": message})
        self.transport.write(
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n%s\r\n" % (status, len(body), headers)
        )
        self.transport.write(body)
        client = self.client[0] if self.client else ""
        request = Request(client, status=int(status[:3]), reason=reason, bytes_out=len(body))
        request.write(self.metrics)

    def _count_head(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > MAX_HEAD:
            raise ValueError("headers are too long")

    def _start_header_timer(self) -> None:
        self._header_timer = self.loop.call_later(self.client_timeout, self._on_header_timeout)

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _on_header_timeout(self) -> None:
        if self.transport.is_closing():
            return
        if self._stage == HEAD and (self.cycle is None or self.cycle.response_complete):
            message = f"The headers took longer than {self.client_timeout:g} s."
            self._respond(b"408 Request Timeout", "slow", message)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.client_timeout, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_write_timer()

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
