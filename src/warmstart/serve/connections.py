"""The open connections of a server; if there are too many, idle ones are closed."""

from __future__ import annotations

import time
from typing import Any
from typing import Protocol as Interface

RESERVE = 128
"""Connections beyond the limit that are still accepted: health probes are served, other requests are
refused. The same number may stay open until their clients have read the refusal."""
NEW_SECONDS = 1.0
"""Seconds without a request after which a new connection counts as idle."""


class Connection(Interface):
    """The interface of a connection for the pool."""

    def close(self) -> None:
        """Close it; it has no request."""

    def refuse(self) -> None:
        """Respond that there are too many connections, and close it once the client has read that."""

    def abort(self) -> None:
        """Close it at once."""


class Connections:
    """Counts connections: new, idle, closing, and all others, which are in use.

    Args:
        limit: maximum number of open connections; beyond it, the longest idle one is closed.

    Attributes:
        count: number of open connections.
    """

    def __init__(self, limit: int):
        self.limit, self.count = limit, 0
        self._new: dict[Connection, float] = {}  # when it was opened, oldest first
        self._idle: dict[Connection, None] = {}  # longest idle first
        self._closing: dict[Connection, None] = {}  # until the client has disconnected

    @property
    def crowded(self) -> bool:
        """Whether too many are in use, so that only health probes are served."""
        return self._remaining() - len(self._new) - len(self._idle) > self.limit

    def add(self, connection: Connection) -> None:
        """Record a new connection."""
        self.count += 1
        self._new[connection] = time.monotonic()
        if self._remaining() <= self.limit:
            return
        if self._idle:
            self._close_oldest(self._idle).close()
        elif time.monotonic() - next(iter(self._new.values())) > NEW_SECONDS:
            self._close_oldest(self._new).close()
        elif self._remaining() > self.limit + RESERVE:
            self._close_oldest(self._new).refuse()
        if self.count > self.limit + 2 * RESERVE and self._closing:
            next(iter(self._closing)).abort()

    def use(self, connection: Connection) -> None:
        """Record that a connection has a request."""
        self._new.pop(connection, None)
        self._idle.pop(connection, None)

    def release(self, connection: Connection) -> None:
        """Record that a connection is idle."""
        self._idle[connection] = None

    def remove(self, connection: Connection) -> None:
        """Record that a connection was closed."""
        self.count -= 1
        self.use(connection)
        self._closing.pop(connection, None)

    def _remaining(self) -> int:
        """The number of open connections that are not being closed."""
        return self.count - len(self._closing)

    def _close_oldest(self, group: dict[Connection, Any]) -> Connection:
        """Move the oldest connection of a group to those being closed, and return it."""
        oldest = next(iter(group))
        del group[oldest]
        self._closing[oldest] = None
        return oldest
