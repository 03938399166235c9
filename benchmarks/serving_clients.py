"""Clients for `serving.py`: many connections in one thread, plain sockets, requests made
beforehand.

A client library would take as much of the processor as the server does, on a machine that both
share.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from urllib.parse import urlsplit


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one POST request."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


class Connection:
    """One connection; `ask` waits for the answer."""

    def __init__(self, address: str):
        where = urlsplit(address)
        self.socket = socket.create_connection((where.hostname, where.port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left, self.begun, self.got = b"", 0.0, bytearray()

    def ask(self, data: bytes) -> int:
        """The status of the answer, all of which is read."""
        self.socket.sendall(data)
        self.got = bytearray()
        while (status := self.answered()) is None:
            part = self.socket.recv(262_144)
            if not part:
                raise ConnectionError("the connection was closed without an answer")
            self.got += part
        return status

    def answered(self) -> int | None:
        """The status, once all of the answer is here."""
        end = self.got.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.got[:end]).lower()
        place = head.find(b"content-length: ")
        if place < 0:
            raise ConnectionError("the answer has no length")
        length = int(head[place + 16 :].split(b"\r\n", 1)[0])
        return int(head[9:12]) if len(self.got) >= end + 4 + length else None


@dataclass
class Tally:
    """What became of the requests: seconds by status, and those that got no answer."""

    seconds: dict[int, list[float]] = field(default_factory=dict)
    lost: Counter = field(default_factory=Counter)
    offered: int = 0
    skipped: int = 0

    def add(self, status: int, seconds: float) -> None:
        self.seconds.setdefault(status, []).append(seconds)

    def count(self, status: int) -> int:
        return len(self.seconds.get(status, ()))


def closed_loop(address: str, data: bytes, clients: int, seconds: float) -> float:
    """Answers per second to so many clients, each of which asks again as soon as it is answered.

    Raises:
        RuntimeError: an answer was not 200.
    """
    tally = _loop(address, data, clients, seconds, None)
    if set(tally.seconds) != {200} or tally.lost:
        raise RuntimeError(
            f"answers by status: { {s: len(t) for s, t in tally.seconds.items()} }, lost {tally.lost}"
        )
    return tally.count(200) / seconds


def open_loop(
    address: str, data: bytes, rate: float, seconds: float, max_connections: int = 400
) -> Tally:
    """Requests at a fixed rate, independent of the answers, on up to `max_connections` connections.
    The time of an answer counts from when its request was due. If all connections are busy, a
    request is not sent, and counted as skipped.
    """
    return _loop(address, data, max_connections, seconds, rate)


def _loop(
    address: str, data: bytes, max_connections: int, seconds: float, rate: float | None
) -> Tally:
    tally, selector = Tally(), selectors.DefaultSelector()
    idle: deque[Connection] = deque()
    opened = 0
    start = time.perf_counter()
    end = start + seconds
    due: list[float] = [] if rate else [start] * max_connections
    sent = 0
    busy: set[Connection] = set()
    while True:
        now = time.perf_counter()
        if rate and now < end:
            while sent < (now - start) * rate:
                heapq.heappush(due, start + sent / rate)
                sent += 1
        while due and now < end:
            if not idle and opened < max_connections:
                connection = Connection(address)
                connection.socket.setblocking(False)
                selector.register(connection.socket, selectors.EVENT_READ, connection)
                opened += 1
                idle.append(connection)
            if not idle:
                tally.skipped += len(due)
                due.clear()
                break
            connection = idle.pop()
            connection.begun, connection.got = heapq.heappop(due), bytearray()
            tally.offered += 1
            busy.add(connection)
            _send(selector, connection, data)
        if now >= end and (not busy or now > end + 60):
            break
        for key, mask in selector.select(0.001 if rate else 0.05):
            connection = key.data
            try:
                if mask & selectors.EVENT_WRITE:
                    _send(selector, connection, connection.left)
                if not mask & selectors.EVENT_READ:
                    continue
                part = connection.socket.recv(262_144)
                if not part:
                    raise ConnectionError("closed")
                connection.got += part
                if (status := connection.answered()) is None:
                    continue
                tally.add(status, time.perf_counter() - connection.begun)
                if b"connection: close" in connection.got:
                    raise ConnectionError("closed after the answer")
                busy.discard(connection)
                idle.append(connection)
                if not rate:
                    due.append(time.perf_counter())
            except OSError as error:
                if str(error) != "closed after the answer" and connection in busy:
                    tally.lost[type(error).__name__] += 1
                selector.unregister(connection.socket)
                connection.socket.close()
                busy.discard(connection)
                if connection in idle:
                    idle.remove(connection)
                opened -= 1
                if not rate:
                    due.append(time.perf_counter())
    tally.lost["no answer"] += len(busy)
    tally.lost += Counter()  # drops zeros
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    return tally


def _send(selector: selectors.BaseSelector, connection: Connection, data: bytes) -> None:
    try:
        done = connection.socket.send(data)
    except BlockingIOError:
        done = 0
    connection.left = memoryview(data)[done:]
    events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.left else 0)
    if selector.get_key(connection.socket).events != events:
        selector.modify(connection.socket, events, connection)
