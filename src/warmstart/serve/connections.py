"""The open connections of a server: where there are too many, those that are idle make room."""

from __future__ import annotations

import asyncio
from typing import Protocol as Interface

RESERVE = 32
"""Connections beyond the limit that are still accepted, so that probes of the machinery around are
answered while all others are in use."""


class Connection(Interface):
    """What the pool needs of a connection."""

    transport: asyncio.Transport


class Connections:
    """Counts connections, and knows which are idle.

    Args:
        limit: open at once; more close the one that has been idle for longest.

    Attributes:
        count: open now.
    """

    def __init__(self, limit: int):
        self.limit, self.count = limit, 0
        self._idle: dict[Connection, None] = {}  # longest idle first

    @property
    def crowded(self) -> bool:
        """Whether there are too many, all of them in use: only probes are answered."""
        return self.count > self.limit

    def add(self, connection: Connection) -> None:
        """One was opened; it is idle until its first request has come."""
        self.count += 1
        if self.count > self.limit and self._idle:
            oldest = next(iter(self._idle))
            del self._idle[oldest]
            oldest.transport.close()
        elif self.count > self.limit + RESERVE:
            connection.transport.abort()
            return
        self._idle[connection] = None

    def use(self, connection: Connection) -> None:
        """A request has come."""
        self._idle.pop(connection, None)

    def release(self, connection: Connection) -> None:
        """Its request is answered, and no other has come yet."""
        self._idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """It was closed."""
        self.count -= 1
        self._idle.pop(connection, None)
