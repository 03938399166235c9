"""HTTP/1.1 as uvicorn speaks it, with time limits before a request is whole, and JSON for what is no request."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol


class Joined:
    """A transport that sends the head of an answer together with the beginning of its body: one packet, not two."""

    def __init__(self, transport: asyncio.Transport):
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head += data
        elif self._head:
            data, self._head = self._head + data, b""
            self._transport.write(data)
        elif data:
            self._transport.write(data)

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()


class Protocol(H11Protocol):
    """One connection.

    A client has `patience` seconds for the headers of its first request, and of every request it has begun, and to
    make room for more of an answer that it does not read.
    """

    patience = 30.0

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        self._impatience: asyncio.TimerHandle | None = None
        self._full: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joined(transport))  # type: ignore[arg-type]
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers_came()
        self._has_room()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            if self._impatience is None:
                self._await_headers()
        else:
            self._headers_came()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP gets 400 with JSON, and the connection is closed."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):  # in the middle of an answer
            self.transport.close()
            return
        body = msgspec.json.encode({"error": f"{msg} It is no HTTP/1.1, or its headers are too long."})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()),
                   (b"connection", b"close")]
        for event in (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), h11.Data(data=body),
                      h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _await_headers(self) -> None:
        self._impatience = self.loop.call_later(self.patience, self._give_up)

    def _headers_came(self) -> None:
        if self._impatience is not None:
            self._impatience.cancel()
            self._impatience = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
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
