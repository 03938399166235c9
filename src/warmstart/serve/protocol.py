"""HTTP/1.1 as uvicorn speaks it with llhttp's parser, with limits before a request is whole, and
JSON for what is not a request."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from warmstart.serve.access_log import Request
from warmstart.serve.connections import Connections
from warmstart.serve.metrics import Metrics
from warmstart.serve.state import CROWDED, GONE, TOO_MANY

MOST = 65536
"""Bytes of the address and the headers of a request, and of its trailers; and of chunks' frames,
FRAMES times the body more."""
FRAMES = 8  # "1\r\nx\r\n" is the worst honest chunk, six times its content
LINGER = 1.0  # seconds in which a client that is turned away may read why
AT_ONCE = 2**20  # bytes of a body that the application is given
MOST_PIPELINED = 64
"""Requests of a connection that wait for the answers to earlier ones."""
HEAD, BODY, DONE = range(3)


class Joined:
    """A transport that sends the head of an answer together with the beginning of its body: one
    packet, not two.
    """

    def __init__(self, transport: asyncio.Transport):
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():  # the client has gone
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

    A client has `patience` seconds for the headers of its first request, and of every request it
    has begun, and to make room for more of an answer that it does not read.
    """

    patience = 30.0
    pool: Connections
    metrics: Metrics

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._impatience: asyncio.TimerHandle | None = None
        self._full: asyncio.TimerHandle | None = None
        self._began = False  # whether the last bytes that came began a message
        self._at, self._hosts, self._head_bytes, self._frames, self._content = DONE, 0, 0, 0, 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._gone: asyncio.Future[None] = self.loop.create_future()
        super().connection_made(Joined(transport))  # type: ignore[arg-type]
        self.pool.add(self)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        self._has_room()
        self.pool.remove(self)
        if not self._gone.done():
            self._gone.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        before, self._began = self._content, False
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
            return
        if not self._began:  # what is in the middle of something, or nothing at all
            self._frames += len(data) - (self._content - before)
            if self._frames > MOST + FRAMES * self._content:
                self.send_400_response("The framing of the request is larger than its content.")
                return
        if self.cycle is not None and (self._at == BODY or (self._began and self._at == DONE)):
            self._headers_came()
        elif self._impatience is None and (self.cycle is None or self.cycle.response_complete):
            self._await_headers()

    def _parse(self, data: bytes) -> None:
        """Feed the parser. A request for another protocol is parsed again without that wish, as
        HTTP/1.1 allows (RFC 9110, section 7.8): the parser takes such a request to have no body.
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
        """Whether the request that is being parsed asks for another protocol."""
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        headers = [b": ".join(pair) for pair in self.headers if pair[0] != b"upgrade"]
        return b"\r\n".join([b"%s %s HTTP/%s" % (method, self.url, version), *headers, b"", b""])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[GONE] = self._gone
        self._at, self._began = HEAD, True
        self._hosts = self._head_bytes = self._frames = self._content = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if self._at == HEAD:  # what comes behind a body is dropped
            super().on_header(name, value)
            self._hosts += self.headers[-1][0] == b"host"

    def on_headers_complete(self) -> None:
        if self._is_upgrade():
            return
        if self._hosts > 1 or (not self._hosts and self.parser.get_http_version() == "1.1"):
            raise ValueError(
                "there must be one header Host"
            )  # the parser makes an error of its own of it
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests were sent before the answers were read")
        self._at = BODY
        self.pool.use(self)
        cast("dict[str, Any]", self.scope)[CROWDED] = self.pool.crowded
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep it until all is there, or much: to wake the application for every packet costs more
        than the packet.
        """
        self._content += len(body)
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > AT_ONCE:
            self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        if self._is_upgrade():
            return
        self._at = DONE
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self.transport.write(b"")  # the head of an answer that has no body
        is_last = not self.pipeline
        super().on_response_complete()
        if self.pipeline:  # uvicorn reads on, and would collect requests whose answers nobody reads
            self.flow.pause_reading()
        if is_last and not self.transport.is_closing():
            self.pool.release(self)
        if self._at == HEAD and self._impatience is None:  # the next request had begun meanwhile
            self._await_headers()

    def close(self) -> None:
        """Close a connection that has no request."""
        self.transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def break_off(self) -> None:
        """Write no more of an answer that has begun; one that has not is still written."""
        if self.cycle is not None and self.cycle.response_started:
            self.cycle.disconnected = True

    def turn_away(self) -> None:
        """Refuse a request that has not come. What comes now is dropped: closing before it is read
        would reset the connection, and the client would not see the answer.
        """
        self._refuse(b"503 Service Unavailable", "crowded", TOO_MANY, b"retry-after: 1\r\n")
        self._headers_came()
        self.parser = None  # type: ignore[assignment]
        self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets 400 with JSON, and the connection is closed."""
        if self.cycle is None or not self.cycle.response_started or self.cycle.response_complete:
            self._refuse(
                b"400 Bad Request",
                "no_http",
                f"{msg} The request is not HTTP/1.1, or its headers are too long.",
            )
        self.transport.close()

    def _refuse(self, status: bytes, reason: str, message: str, headers: bytes = b"") -> None:
        """Answer what is not a whole request, so that no application sees it."""
        body = msgspec.json.encode({"error": message})
        self.transport.write(
            b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n%s\r\n" % (status, len(body), headers)
        )
        self.transport.write(body)
        client = self.client[0] if self.client else ""
        request = Request(client, status=int(status[:3]), reason=reason, bytes_out=len(body))
        request.write(self.metrics)

    def _count(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > MOST:
            raise ValueError("headers are too long")

    def _await_headers(self) -> None:
        self._impatience = self.loop.call_later(self.patience, self._give_up)

    def _headers_came(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self._at == HEAD and (self.cycle is None or self.cycle.response_complete):
            message = f"The headers took longer than {self.patience:g} s."
            self._refuse(b"408 Request Timeout", "slow", message)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._full = self.loop.call_later(self.patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_room()

    def _has_room(self) -> None:
        if self._full is not None:
            self._full.cancel()
            self._full = None
